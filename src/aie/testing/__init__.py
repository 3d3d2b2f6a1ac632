"""What tests of the engine, and of workspaces, are made with."""

from aie.testing.receiver import Counts, Receiver, read_counts

__all__ = ["Counts", "Receiver", "read_counts"]
