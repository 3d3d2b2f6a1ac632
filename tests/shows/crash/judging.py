"""What must hold after every scenario: the records, the bill and the receiver's log tell one story."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aie.records import PlainKeys, Recorded, Store, open_store, read_store, seal, verify
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectQueued,
    RunFinished,
    RunRetried,
    SegmentClosed,
    SegmentStarted,
)
from aie.releases import load_release
from aie.runs import Loaded, fold
from tests.shows.crash.living import Scene
from tests.shows.crash.provider import Charge

__all__ = ["Delivered", "Verdict", "about_epochs", "judge", "read_log"]

_PRICE_IN, _PRICE_OUT = 2, 8
"""Micro-USD a token, as `models.yaml` says."""
_STATE = {"cancelled": "cancelled", "refused": "failed", "late": "failed"}
"""How the run of a variant ends; of the others: completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One line of the receiver's log."""

    what: str
    key: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found."""

    broken: list[str]
    """Invariants that do not hold, in words."""
    epochs: int
    """Claims of the run; above its segments: recoveries."""
    attempts: int
    forfeited: int
    calls: int
    """Requests that the provider saw."""
    deliveries: int
    repeats: int


def read_log(path: Path, offset: int) -> list[Delivered]:
    """Return what the receiver took since `offset`."""
    if not path.exists():
        return []
    with path.open() as file:
        file.seek(offset)
        return [Delivered(**json.loads(line)) for line in file]


def judge(scene: Scene, charge: Charge, delivered: Sequence[Delivered]) -> Verdict:
    """Hold the records of the scenario's store against themselves and against the world."""
    store = open_store(scene.store, create=False, keys=PlainKeys(_keys(scene)))
    try:
        rows = store.runs().rows
        if len(rows) != 1:
            return Verdict(
                broken=[f"{len(rows)} runs of one order"],
                epochs=0, attempts=0, forfeited=0, calls=charge.calls, deliveries=0, repeats=0,
            )  # fmt: skip
        recorded = store.read(rows[0].id)
        broken = [
            *_about_outcome(store, scene, recorded),
            *about_epochs(recorded),
            *_about_money(recorded, charge),
            *_about_effects(store, scene, recorded, delivered),
            *_about_records(store),
        ]
    finally:
        store.close()
    settled = [each.event for each in recorded if isinstance(each.event, AttemptSettled)]
    return Verdict(
        broken=broken,
        epochs=sum(isinstance(each.event, SegmentStarted) for each in recorded),
        attempts=sum(isinstance(each.event, AttemptIntended) for each in recorded),
        forfeited=sum(event.outcome == "forfeited" for event in settled),
        calls=charge.calls,
        deliveries=len(delivered),
        repeats=sum(each.what == "repeat" for each in delivered),
    )


def _keys(scene: Scene) -> Path:
    return scene.root / ".aie" / "keys.json"


def _about_outcome(store: Store, scene: Scene, recorded: Sequence[Recorded]) -> Iterator[str]:
    """The run ended once, as it had to, and the fold of its events says so."""
    row = store.runs().rows[0]
    expected = _STATE.get(scene.variant, "completed")
    ends = [each.event for each in recorded if isinstance(each.event, RunFinished)]
    if row.state != expected:
        why = ends[-1].message if ends else ""
        yield f"the run is {row.state} {row.failure} at {row.failed_path} ({why}), not {expected}"
    retries = sum(isinstance(each.event, RunRetried) for each in recorded)
    if len(ends) != 1 + retries:
        yield f"the run ended {len(ends)} times with {retries} retries"
    loaded = Loaded(load_release(store, row.release, tenant=row.tenant))
    state, _ = fold(loaded.index, ((each.event, each.at) for each in recorded))
    if state.ending is None or state.ending.state != row.state:
        yield f"the fold of the events says {state.ending}, the row {row.state}"
    if ends and expected == "completed":
        result = {"order_id": scene.order, "topic": "refund", "lines": 2}
        if ends[-1].output != result:
            yield f"the result is {ends[-1].output}"
        if state.spent.to_json() != json.loads(row.spend) or ends[-1].spend != state.spent.to_json():
            yield f"spend: fold {state.spent.to_json()}, row {row.spend}, outcome {ends[-1].spend}"
    if sum(isinstance(each.event, SegmentClosed) for each in recorded) < len(ends):
        yield "a run ended without closing its segment"


def about_epochs(recorded: Sequence[Recorded]) -> Iterator[str]:
    """Each claim raises the epoch, and nothing of an earlier epoch follows it."""
    epoch = 0
    for each in recorded:
        if isinstance(each.event, SegmentStarted):
            if each.event.epoch != epoch + 1:
                yield f"epoch {each.event.epoch} follows {epoch}"
            epoch = each.event.epoch
        elif each.epoch not in (0, epoch):
            yield f"{each.event.type} of epoch {each.epoch} came after epoch {epoch} began"


def _about_money(recorded: Sequence[Recorded], charge: Charge) -> Iterator[str]:
    """Every call was intended, every intent is settled once, and nothing was billed that is not in the records."""
    intended = Counter(each.event.attempt for each in recorded if isinstance(each.event, AttemptIntended))
    settled = [each.event for each in recorded if isinstance(each.event, AttemptSettled)]
    if max(intended.values(), default=1) > 1:
        yield "an attempt was intended twice"
    if Counter(event.attempt for event in settled) != intended:
        yield f"intended {sorted(intended)}, settled {sorted(event.attempt for event in settled)}"
    if charge.calls > intended.total():
        yield f"the provider saw {charge.calls} calls, the records hold {intended.total()}"
    billed = charge.tokens_in * _PRICE_IN + charge.tokens_out * _PRICE_OUT
    cost = sum(event.spend.get("cost", 0) for event in settled)
    tokens = sum(event.spend.get("tokens", 0) for event in settled)
    if billed > cost or charge.tokens_in + charge.tokens_out > tokens:
        yield f"the provider bills {billed} micro-USD, the records hold {cost}"


def _about_effects(
    store: Store, scene: Scene, recorded: Sequence[Recorded], delivered: Sequence[Delivered]
) -> Iterator[str]:
    """Each effect was applied once under its one key, and its row says what the receiver says."""
    rows = {row.key: row for row in store.effects()}
    queued = [each.event.key for each in recorded if isinstance(each.event, EffectQueued)]
    if len(set(queued)) != len(queued) or set(queued) != set(rows):
        yield "effects were asked for twice or lost"
    applied = Counter(each.key for each in delivered if each.what == "applied")
    tries = Counter(each.key for each in delivered)
    strange = tries.keys() - rows.keys()
    if strange:
        yield f"the receiver knows {len(strange)} keys that the records do not"
    if any(each.what == "other_body" for each in delivered):
        yield "a key was delivered with another body"
    if len({each.body for each in delivered}) != len(applied):
        yield "one body was delivered under several keys"
    for row in rows.values():
        if row.receiver == "receiver:archive":
            files = [*(scene.root / "archive").glob("*.json")]
            took = int(len(files) == 1)
        else:
            took = applied[row.key]
        if row.state == "delivered" and took != 1:
            yield f"{row.path} is delivered, and was applied {took} times"
        if row.semantics == "at_most_once" and tries[row.key] > 1:
            yield f"{row.path} was delivered {tries[row.key]} times to a receiver that takes it at most once"
        if row.state not in ("delivered", "unknown"):
            yield f"{row.path} was left {row.state}"


def _about_records(store: Store) -> Iterator[str]:
    """The chain verifies, and a rebuild would change nothing."""
    seal(store)
    with read_store(store) as source:
        report = verify(source)
    yield from (f"{finding.kind}: {finding.message} ({finding.stream})" for finding in report.findings)
