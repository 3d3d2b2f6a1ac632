"""The model layer: a text classifier run in the process, or a question to a chat model."""

from aie.layers.model.layer import ModelLayer

__all__ = ["ModelLayer"]
