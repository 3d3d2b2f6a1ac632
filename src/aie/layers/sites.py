"""Where steps act outside the process: points at which a crash campaign kills it."""

from typing import Final

from aie.core import reached

__all__ = ["call_sites", "reached"]

SITES: Final = ("chat", "post", "drop")
"""Calls of models, requests to receivers, files dropped."""

call_sites: Final = frozenset({*(f"{site}.{when}" for site in SITES for when in ("before", "after")), "post.sent"})
"""Every point of the layers; `post.sent` lies between the request's last byte and the first of its answer."""
