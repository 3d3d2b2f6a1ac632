"""Which release an environment runs: its pointers, moved by people, every move an event with its actor."""

from aie.rollouts.moves import Move, Place, Pointer, Verb, current, history, promote, rollback

__all__ = ["Move", "Place", "Pointer", "Verb", "current", "history", "promote", "rollback"]
