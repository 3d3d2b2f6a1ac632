"""What tests of the engine, and of workspaces, are made with: models, receivers and clocks that do as they are told.

`OpenAIServer` is a chat server over real HTTP that misbehaves on order and keeps its own bill, `FakeModel` a chat model
without a network, `Receiver` a receiver of effects in a process of its own, `VirtualClock` time that stands still.
"""

from aie.testing.fake_model import FakeModel, Said
from aie.testing.openai_server import FAULTS, Bill, Fault, OpenAIServer, Served, recorded_answers
from aie.testing.receiver import Counts, Receiver, read_counts
from aie.testing.virtual_clock import VirtualClock

__all__ = [
    "FAULTS",
    "Bill",
    "Counts",
    "FakeModel",
    "Fault",
    "OpenAIServer",
    "Receiver",
    "Said",
    "Served",
    "VirtualClock",
    "read_counts",
    "recorded_answers",
]
