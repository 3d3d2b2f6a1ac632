#!/usr/bin/env bash
# Resolve pyproject.toml into requirements/*.txt: every version and every hash, for every platform, and no address.
#   base  what a run needs          demo  base and training          dev  everything, with the tools of `make check`
#   bench  a run on Postgres, and what the benchmarks measure it against; litellm one of them in its own
# Each also holds the build backend, so that installing this package downloads nothing unlocked.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
mkdir -p requirements

lock() {
    local name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links --group build "$@" --output-file "requirements/$name.txt" pyproject.toml
    echo "requirements/$name.txt: $(grep -c '^[a-zA-Z0-9]' "requirements/$name.txt") distributions"
}

# The widest first: the others then keep to the same versions, and an environment is a subset of the next.
lock dev --group dev --extra train --extra postgres --extra openai --extra anthropic --extra google --extra bedrock \
    --extra mistral --extra onnx "$@"
lock demo --extra train --constraint requirements/dev.txt "$@"
lock bench --group bench --extra postgres --extra openai --constraint requirements/dev.txt "$@"
lock base --constraint requirements/dev.txt "$@"

# A peer on its own: nothing of ours is imported there.
"$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
    --no-emit-find-links --group pyproject.toml:build --group pyproject.toml:litellm "$@" \
    --output-file requirements/litellm.txt
echo "requirements/litellm.txt: $(grep -c '^[a-zA-Z0-9]' requirements/litellm.txt) distributions"
