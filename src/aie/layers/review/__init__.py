"""Asking a person: what is shown, what may be answered, and what an answer makes of the step."""

from aie.layers.review.answers import answered
from aie.layers.review.layer import ReviewLayer

__all__ = ["ReviewLayer", "answered"]
