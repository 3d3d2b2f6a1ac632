"""Choosing what a model gets to see: passages of a text that fit a budget of tokens, each with its place."""

from aie.layers.context.layer import ContextLayer

__all__ = ["ContextLayer"]
