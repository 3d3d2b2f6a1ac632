"""Records: what happened, append-only, and the rows that follow from it.

Events are the truth. The journal appends them in group commits; projections follow in the same transaction and can
be rebuilt from events alone. Private payloads are sealed under a data key for each subject; a signed chain of Merkle
blocks makes every later change visible.
"""

from aie.records import events
from aie.records.admission import check_event, prepare
from aie.records.batch import Outcome
from aie.records.budgets import (
    BudgetRow,
    Shares,
    SlabRow,
    StopRow,
    drawn,
    held_runs,
    locked_windows,
    set_budgets,
    stops,
)
from aie.records.chain import Heads, read_heads
from aie.records.checks import Finding
from aie.records.entries import (
    Decide,
    Entry,
    Locked,
    Repeat,
    budget_stream,
    environment_stream,
    fenced,
    key_stream,
    model_stream,
    present,
    release_stream,
    stop_stream,
    submission,
    trial_stream,
)
from aie.records.erase import destroy_key
from aie.records.events import Event
from aie.records.gates import (
    OpenGate,
    Room,
    close_gate,
    first_tries,
    free_room,
    open_gate,
    opened_gates,
    return_pass,
    take_pass,
    take_probe,
    void_pass,
)
from aie.records.journal import Journal, UnknownOutcome
from aie.records.keys import KeyProvider, MemoryKeys, PlainKeys
from aie.records.leases import (
    claimable,
    drop_lease,
    end_hung_writers,
    expire_leases,
    live_executors,
    orphans,
    renew_lease,
    take_lease,
)
from aie.records.listen import listen
from aie.records.opening import is_new, open_store
from aie.records.queries import EffectFilter, Page, ReviewFilter, RunFilter
from aie.records.rebuilding import rebuild
from aie.records.rows import EffectRow, Recorded, ReleaseRow, ReviewRow, RunRow
from aie.records.sealer import current_heads, seal
from aie.records.sites import commit_sites, observe, reached
from aie.records.sources import Source, export_records, open_export, read_store
from aie.records.store import Store
from aie.records.tables import CHANNEL
from aie.records.verification import Report, verify

__all__ = [
    "CHANNEL",
    "BudgetRow",
    "Decide",
    "EffectFilter",
    "EffectRow",
    "Entry",
    "Event",
    "Finding",
    "Heads",
    "Journal",
    "KeyProvider",
    "Locked",
    "MemoryKeys",
    "OpenGate",
    "Outcome",
    "Page",
    "PlainKeys",
    "Recorded",
    "ReleaseRow",
    "Repeat",
    "Report",
    "ReviewFilter",
    "ReviewRow",
    "Room",
    "RunFilter",
    "RunRow",
    "Shares",
    "SlabRow",
    "Source",
    "StopRow",
    "Store",
    "UnknownOutcome",
    "budget_stream",
    "check_event",
    "claimable",
    "close_gate",
    "commit_sites",
    "current_heads",
    "destroy_key",
    "drawn",
    "drop_lease",
    "end_hung_writers",
    "environment_stream",
    "events",
    "expire_leases",
    "export_records",
    "fenced",
    "first_tries",
    "free_room",
    "held_runs",
    "is_new",
    "key_stream",
    "listen",
    "live_executors",
    "locked_windows",
    "model_stream",
    "observe",
    "open_export",
    "open_gate",
    "open_store",
    "opened_gates",
    "orphans",
    "prepare",
    "present",
    "reached",
    "read_heads",
    "read_store",
    "rebuild",
    "release_stream",
    "renew_lease",
    "return_pass",
    "seal",
    "set_budgets",
    "stop_stream",
    "stops",
    "submission",
    "take_lease",
    "take_pass",
    "take_probe",
    "trial_stream",
    "verify",
    "void_pass",
]
