"""Where the records become durable: the points at which a crash campaign kills the process.

Each transaction names its site; `<site>.before_commit` and `<site>.after_commit` are reached around its commit.
"""

from typing import Final

from aie.core import observe, reached

__all__ = ["SITES", "commit_sites", "observe", "reached"]

SITES: Final = ("journal", "blob", "bundle", "lease", "expire", "seal", "rebuild", "schema", "slab", "gate")
"""Every transaction of the records, by name."""

commit_sites: Final = frozenset(f"{site}.{when}_commit" for site in SITES for when in ("before", "after"))
"""Every point at which an observer is called."""
