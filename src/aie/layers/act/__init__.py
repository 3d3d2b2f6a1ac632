"""Changing the world outside: one effect, one stable key, and a receiver that says what it does with repeats."""

from aie.layers.act.layer import ActLayer, receiver_facts

__all__ = ["ActLayer", "receiver_facts"]
