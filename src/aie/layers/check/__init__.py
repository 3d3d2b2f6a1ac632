"""Refusing values that are not as they must be: against a schema, or against named rules."""

from aie.layers.check.layer import CheckLayer

__all__ = ["CheckLayer"]
