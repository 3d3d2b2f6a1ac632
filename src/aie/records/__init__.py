"""Records: what happened, append-only, and the rows that follow from it.

Events are the truth. The journal appends them in group commits; projections follow in the same transaction and can be
rebuilt from events alone. Private payloads are sealed under a data key for each subject; a signed chain of Merkle blocks
makes every later change visible.
"""

from aie.records import events
from aie.records.entries import (
    Decide,
    Entry,
    Locked,
    Repeat,
    environment_stream,
    fenced,
    key_stream,
    present,
    release_stream,
    submission,
)
from aie.records.erase import destroy_key
from aie.records.events import Event
from aie.records.journal import CHANNEL, Journal
from aie.records.keys import KeyProvider, MemoryKeys, PlainKeys
from aie.records.leases import claimable, claiming, drop_lease, expire_leases, orphans, renew_lease, take_lease
from aie.records.releases import ReleaseRow, find_releases
from aie.records.queries import EffectFilter, Page, ReviewFilter, RunFilter
from aie.records.rows import EffectRow, Recorded, ReleaseRow, ReviewRow, RunRow
from aie.records.sites import commit_sites, observe, reached
from aie.records.store import Store, open_store

__all__ = [
    "CHANNEL",
    "Decide",
    "EffectFilter",
    "EffectRow",
    "Entry",
    "Event",
    "Journal",
    "KeyProvider",
    "Locked",
    "MemoryKeys",
    "Page",
    "PlainKeys",
    "Recorded",
    "ReleaseRow",
    "Repeat",
    "ReviewFilter",
    "ReviewRow",
    "RunFilter",
    "RunRow",
    "Store",
    "claimable",
    "claiming",
    "commit_sites",
    "destroy_key",
    "drop_lease",
    "environment_stream",
    "events",
    "expire_leases",
    "fenced",
    "find_releases",
    "key_stream",
    "observe",
    "open_store",
    "orphans",
    "present",
    "reached",
    "release_stream",
    "renew_lease",
    "submission",
    "take_lease",
]
