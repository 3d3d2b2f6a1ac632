"""Where runs append and where they act on the world: more points at which a crash campaign kills the process."""

from typing import Final

from aie.core import reached
from aie.records import Entry, Journal, Recorded

__all__ = ["APPENDS", "CALLS", "append", "reached", "run_sites"]

APPENDS: Final = (
    "submission",
    "decision",
    "cancellation",
    "expiry",
    "retry",
    "migration",
    "claim",
    "recovery",
    "give_back",
    "lack",
    "freed",
    "block",
    "keying",
    "flush",
    "close",
    "try",
    "outcome",
    "resolution",
)
"""Every entry that runs put into the journal, by what it does."""

CALLS: Final = ("delivery", "inquiry")
"""Everything of the runs floor that acts outside: handing an effect over, asking a receiver whether it has one."""

run_sites: Final = frozenset(f"{site}.{when}" for site in (*APPENDS, *CALLS) for when in ("before", "after"))
"""Every point of this floor."""


def append(journal: Journal, site: str, entry: Entry) -> list[Recorded]:
    """Append an entry at a declared site and return what is durable now."""
    reached(f"{site}.before")
    recorded = journal.append(entry)
    reached(f"{site}.after")
    return recorded
