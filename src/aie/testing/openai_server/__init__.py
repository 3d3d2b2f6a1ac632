"""A chat server on this machine that speaks OpenAI's protocol: in a test's own process, or in one of its own.

python -m aie.testing.openai_server --port 8090 --answer '{"amount": "12.00 USD"}' --fault unavailable
"""

from aie.testing.openai_server.recorded import recorded_answers
from aie.testing.openai_server.server import FAULTS, Bill, Fault, OpenAIServer, Served

__all__ = ["FAULTS", "Bill", "Fault", "OpenAIServer", "Served", "recorded_answers"]
