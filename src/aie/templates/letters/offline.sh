# Runs a command with the test kit's chat server in the place of both models, on this machine, without a key.
# It gives the answers of answers.jsonl:      sh offline.sh aie run letters examples/refund.json
# The first request is turned away:           sh offline.sh --fault unavailable aie run letters examples/reading.json
exec python -m aie.testing.openai_server --answers answers.jsonl --env HOSTED_URL --env OWN_URL --env HOSTED_KEY=none "$@"
