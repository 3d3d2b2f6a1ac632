"""One transaction of the journal: lock, decide, append, project.

The rows of all runs are locked in the order of their ids, so that two processes never wait for each other. Decisions of
one batch see what earlier ones of the same batch did.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from aie.core import Spend
from aie.errors import AieError, NotFound, StoreBusy, StoreError
from aie.records import tables
from aie.records.admission import admit, encoded
from aie.records.engines import mending
from aie.records.entries import Entry, Locked
from aie.records.events import Event, KeyDestroyed, RunSubmitted, SegmentStarted
from aie.records.leaf import event_header, leaf_of, salt_of
from aie.records.links import Link
from aie.records.memory import Begun, Continuation, Memory
from aie.records.projection import DRAWN, Desk, Row, project, used
from aie.records.rows import (
    EFFECT_COLUMNS,
    REVIEW_COLUMNS,
    RUN_COLUMNS,
    EffectRow,
    Recorded,
    ReviewRow,
    RunRow,
    run_row,
)
from aie.records.vault import DataKey, Vault

__all__ = ["Batch", "Outcome", "as_error", "nothing_appended", "place", "write_desk"]

Outcome = list[Recorded] | BaseException

_RUNS: Final = ", ".join(f"runs.{name}" for name in RUN_COLUMNS)
_LOCK_RUNS: Final = (
    f"SELECT {_RUNS}, (SELECT state FROM executors WHERE executors.id = runs.executor) "
    "FROM runs WHERE runs.id {among} ORDER BY runs.id {lock}"
)
_SAME_KEY: Final = f"SELECT {_RUNS} FROM runs WHERE runs.idempotency_key {{among}}"
_LIVE: Final = "SELECT id FROM executors WHERE state = 'live' AND id {among}"
_REVIEWS: Final = f"SELECT {', '.join(REVIEW_COLUMNS)} FROM reviews WHERE run {{among}}"
_EFFECTS: Final = f"SELECT {', '.join(EFFECT_COLUMNS)} FROM effects WHERE run {{among}}"
_EFFECTS_BY_KEY: Final = f"SELECT {', '.join(EFFECT_COLUMNS)} FROM effects WHERE key {{among}}"
_POINTERS: Final = (
    "SELECT tenant, workflow, environment, pointer, release, actor, moved_at FROM environments WHERE tenant = ?"
)
_CONTROLS: Final = {
    "budgets": "SELECT tenant, scope, name, cost, tokens, per, on_exhausted, actor, reason, at FROM budgets "
    "WHERE tenant = ?",
    "stops": "SELECT tenant, kind, name, stopped, actor, reason, at FROM stops WHERE tenant = ?",
}
_LOCK_SLABS: Final = "SELECT id, granted_cost, granted_tokens FROM slabs WHERE id {among} ORDER BY id {lock_rows}"
_DRAWS: Final = f"SELECT slab, tenant, window_id, {', '.join(DRAWN)} FROM draws WHERE slab {{among}}"
_LAST_N: Final = "SELECT stream, max(n) FROM events WHERE stream {among} GROUP BY stream"

_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "runs": ("id",),
    "reviews": ("id",),
    "effects": ("tenant", "key"),
    "environments": ("tenant", "workflow", "environment", "pointer"),
    "releases": ("tenant", "id"),
    "draws": ("slab",),
    "budgets": ("tenant", "scope", "name"),
    "stops": ("tenant", "kind", "name"),
}
_FIXED: Final = frozenset(
    (
        "tenant",
        "workflow",
        "release",
        "environment",
        "mode",
        "queue",
        "case_key",
        "subject",
        "idempotency_key",
        "body_hash",
        "submitted_at",
    )
)
"""Columns of a run that never change after it was submitted."""
_CHANGING: Final = {
    name: tuple(
        column.name
        for column in tables.metadata.tables[name].columns
        if column.name not in keys and not (name == "runs" and column.name in _FIXED)
    )
    for name, keys in _KEYS.items()
}
_UPDATES: Final = {
    name: f"UPDATE {name} SET {', '.join(f'{column} = ?' for column in _CHANGING[name])} WHERE "
    + " AND ".join(f"{key} = ?" for key in keys)
    for name, keys in _KEYS.items()
}
_NEWS: Final = frozenset({"queued", "waiting", "needs_runtime", "completed", "failed", "cancelled", "dead"})
"""States of a run of which somebody elsewhere may wait to hear."""
_IN_MESSAGE: Final = 200
_BY_KEY: Final = itemgetter("idempotency_key", "tenant", "workflow")
_COLUMNS: Final = {name: tuple(column.name for column in tables.metadata.tables[name].columns) for name in _KEYS}


@dataclass(slots=True)
class Batch:
    """The work of one transaction; made anew for each try."""

    vault: Vault
    writer: str
    now: int
    seqs: dict[str, int]
    """Last position of this writer by tenant; the caller adopts it once committed."""
    desk: Desk = field(default_factory=Desk)
    last_n: dict[str, int] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    keys: dict[tuple[str, str], DataKey] = field(default_factory=dict)
    made: dict[str, dict[str, DataKey]] = field(default_factory=dict)
    """Data keys first used here, by tenant and subject."""
    by_key: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Run by (tenant, workflow, idempotency key)."""
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """Rows of the table `events`."""
    granted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What may be drawn on each slab, in micro-USD and in tokens."""

    def work(self, link: Link, entries: Sequence[Entry]) -> list[Outcome]:
        """Do everything but begin and commit; return what to tell the writer of each entry."""
        self._load(link, entries)
        outcomes = [self._decide(entry) for entry in entries]
        appended = [each for outcome in outcomes if isinstance(outcome, list) for each in outcome]
        if appended:
            for tenant, subjects in sorted(self._find_keys(appended).items()):
                made = self.made[tenant] = self.vault.live_keys(link, tenant, subjects, self.now)
                self.keys.update({(tenant, subject): key for subject, key in made.items()})
            self._seal(appended)
            link.insert(tables.events, self.rows)
            write_desk(link, self.desk)
            for recorded in appended:
                if isinstance(recorded.event, KeyDestroyed):
                    link.run("UPDATE data_keys SET wrapped = NULL WHERE id = ?", recorded.event.key)
        return outcomes

    def go_on(self, entries: Sequence[Entry], memory: Memory) -> tuple[list[Outcome], Continuation] | None:
        """Decide on the rows as the journal left them; None when that is not enough, or nothing is to be appended.

        What an entry is refused for holds as well, once the rows are found to stand: all that were shown are compared.
        """
        memory.recall(entries, self.desk, self.granted)
        self.last_n.update((id_, row["last_n"]) for id_, row in self.desk.runs.items())
        executors = {entry.executor for entry in entries if entry.executor}
        self.live.update(executors, (row["executor"] for row in self.desk.runs.values()))
        outcomes = [self._decide(entry) for entry in entries]
        appended = [each for outcome in outcomes if isinstance(outcome, list) for each in outcome]
        steps = memory.steps(self.desk)
        if not appended or steps is None:
            return None
        keys = self._new_keys(self._find_keys(appended))
        self._seal(appended)
        # In the order of their idempotency keys: of two processes that begin the same runs one waits for the other.
        fresh = sorted((self.desk.runs[id_] for _, id_ in self.desk.fresh), key=_BY_KEY)
        runs = [tuple(map(row.__getitem__, RUN_COLUMNS)) for row in fresh]
        begun = Begun(runs, sorted(self.desk.search), keys, sorted(executors))
        return outcomes, Continuation(*steps, self.rows, begun, self.news())

    def news(self) -> list[str]:
        """Return what other processes are told, in as few messages as the channel takes (8000 bytes each)."""
        touched = self.desk.fresh | self.desk.changed
        runs = [id_ for id_, row in self.desk.runs.items() if row["state"] in _NEWS and ("runs", id_) in touched]
        return [" ".join((self.writer, *runs[at : at + _IN_MESSAGE])) for at in range(0, len(runs), _IN_MESSAGE)]

    def _new_keys(self, missing: Mapping[str, set[str]]) -> list[tuple[Any, ...]]:
        """Make the keys that this process does not know; where there is one already, the transaction does not stand."""
        rows: list[tuple[Any, ...]] = []
        for tenant, subjects in sorted(missing.items()):
            self.made[tenant], fresh = self.vault.new_keys(tenant, subjects, self.now)
            self.keys.update({(tenant, subject): key for subject, key in self.made[tenant].items()})
            rows += fresh
        return rows

    @property
    def first(self) -> tuple[str, int, bytes]:
        """Tenant, writer's position and leaf of the first event: whether it is there tells whether the batch is."""
        row = self.rows[0]
        return row[2], row[4], row[13]

    def _load(self, link: Link, entries: Sequence[Entry]) -> None:
        streams = {entry.stream for entry in entries}
        for values in link.fetch(_LOCK_RUNS, link.array(sorted(s for s in streams if "/" not in s))):
            *columns, state = values
            row = dict(zip(RUN_COLUMNS, columns, strict=True))
            self.desk.runs[row["id"]] = row
            self.last_n[row["id"]] = row["last_n"]
            if state == "live":
                self.live.add(row["executor"])
        self._load_owned(link, entries)
        wanted = {entry.executor for entry in entries if entry.executor} - self.live
        if wanted:
            self.live.update(id_ for (id_,) in link.fetch(_LIVE, link.array(sorted(wanted))))
        # A key with NUL cannot even be asked for on Postgres; its entry is refused by the check of its events.
        keys = {key for entry in entries if entry.idempotency for key in entry.idempotency[1:] if "\0" not in key}
        if keys:
            for values in link.fetch(_SAME_KEY, link.array(sorted(keys))):
                row = dict(zip(RUN_COLUMNS, values, strict=True))
                self.desk.runs.setdefault(row["id"], row)
                self.by_key[row["tenant"], row["workflow"], row["idempotency_key"]] = row["id"]
        self._load_slabs(link, entries)
        others = sorted(stream for stream in streams if "/" in stream)
        if others:
            self.last_n.update(link.fetch(_LAST_N, link.array(others)))
            self._load_controls(link, entries)

    def _load_slabs(self, link: Link, entries: Sequence[Entry]) -> None:
        """Lock the slabs that are drawn on, in the order of their ids; an executor's own are locked by nobody else."""
        wanted = sorted({slab for entry in entries for slab in entry.slabs})
        if wanted:
            for slab, cost, tokens in link.fetch(_LOCK_SLABS, link.array(wanted)):
                self.granted[slab] = (cost, tokens)
            # A statement of its own: joined to the locking one it would see what was there before the lock.
            for values in link.fetch(_DRAWS, link.array(wanted)):
                self.desk.draws[values[0]] = dict(zip(_COLUMNS["draws"], values, strict=True))

    def _load_controls(self, link: Link, entries: Sequence[Entry]) -> None:
        """Load pointers, budgets and stops of the tenants whose streams of them are written."""
        for tenant in sorted({entry.tenant for entry in entries if "/environment/" in entry.stream}):
            for values in link.fetch(_POINTERS, tenant):
                row = dict(zip(_COLUMNS["environments"], values, strict=True))
                self.desk.environments[values[0], values[1], values[2], values[3]] = row
        for table, marked in (("budgets", "/budget/"), ("stops", "/stop/")):
            for tenant in sorted({entry.tenant for entry in entries if marked in entry.stream}):
                for values in link.fetch(_CONTROLS[table], tenant):
                    row = dict(zip(_COLUMNS[table], values, strict=True))
                    getattr(self.desk, table)[values[0], values[1], values[2]] = row

    def _load_owned(self, link: Link, entries: Sequence[Entry]) -> None:
        """Load reviews and effects, which most runs do not have."""
        reviewed = [run["id"] for run in self.desk.runs.values() if run["reviews"]]
        if reviewed:
            for values in link.fetch(_REVIEWS, link.array(reviewed)):
                self.desk.reviews[values[0]] = dict(zip(REVIEW_COLUMNS, values, strict=True))
        acting = [run["id"] for run in self.desk.runs.values() if run["effects"]]
        asked = sorted({key for entry in entries for key in entry.effect_keys})
        for sql, wanted in ((_EFFECTS, acting), (_EFFECTS_BY_KEY, asked)):
            if wanted:
                for values in link.fetch(sql, link.array(wanted)):
                    self.desk.effects.setdefault((values[0], values[1]), dict(zip(EFFECT_COLUMNS, values, strict=True)))

    def _decide(self, entry: Entry) -> Outcome:
        try:
            locked = self._locked(entry)
            events = entry.decide(locked)
            admit(self.desk, entry, events)
            texts = [encoded(event) for event in events]
        except AieError as error:
            # Its words say it all; its traceback would keep the batch, and the batch the error.
            return error.with_traceback(None)
        except BaseException as error:  # noqa: BLE001 - whatever a decision raises belongs to its entry alone
            return error
        return self._append(entry, events, texts)

    def _locked(self, entry: Entry) -> Locked:
        row = self.desk.runs.get(entry.stream)
        if row is not None and row["tenant"] != entry.tenant:
            raise NotFound("there is no such run", hints=("`aie runs` lists the runs",))
        run = None if row is None else run_row(row)
        return Locked(
            run=run,
            reviews=self._reviews(row),
            effects=self._effects(entry, row),
            pointers=self._pointers(entry),
            live=frozenset(self.live),
            same_key=None if entry.idempotency is None else self._same_key(entry.tenant, *entry.idempotency),
            last_n=self.last_n.get(entry.stream, 0),
            now=self.now,
            idle={slab: self._idle(slab) for slab in entry.slabs if slab in self.granted},
        )

    def _idle(self, slab: str) -> Spend:
        cost, tokens = self.granted[slab]
        row = self.desk.draws.get(slab)
        if row is None:
            return Spend(cost=cost, tokens=tokens)
        return Spend(cost=cost - used(row, "cost"), tokens=tokens - used(row, "tokens"))

    def _reviews(self, run: Row | None) -> dict[str, ReviewRow]:
        if run is None or not run["reviews"]:
            return {}
        return {key: ReviewRow(**row) for key, row in self.desk.reviews.items() if row["run"] == run["id"]}

    def _effects(self, entry: Entry, run: Row | None) -> dict[str, EffectRow]:
        if (run is None or not run["effects"]) and not entry.effect_keys:
            return {}
        return {
            key: EffectRow(**row)
            for (tenant, key), row in self.desk.effects.items()
            if tenant == entry.tenant and (row["run"] == entry.stream or key in entry.effect_keys)
        }

    def _pointers(self, entry: Entry) -> dict[str, str]:
        if "/environment/" not in entry.stream:
            return {}
        _, _, workflow, environment = entry.stream.split("/", 3)
        place = (entry.tenant, workflow, environment)
        return {
            key[3]: row["release"] for key, row in self.desk.environments.items() if key[:3] == place and row["release"]
        }

    def _same_key(self, tenant: str, workflow: str, key: str) -> RunRow | None:
        run = self.by_key.get((tenant, workflow, key))
        return None if run is None else run_row(self.desk.runs[run])

    def _append(
        self, entry: Entry, events: Sequence[Event], texts: Sequence[tuple[str, bytes | None]]
    ) -> list[Recorded]:
        segment, epoch = entry.segment, entry.epoch
        n = self.last_n.get(entry.stream, 0)
        seq = self.seqs[entry.tenant]
        appended = []
        for event, (body, plain) in zip(events, texts, strict=True):
            if isinstance(event, SegmentStarted):
                segment, epoch = event.segment, event.epoch
            elif isinstance(event, RunSubmitted):
                self.by_key[entry.tenant, event.workflow, event.idempotency_key] = entry.stream
            n, seq = n + 1, seq + 1
            recorded = Recorded(
                tenant=entry.tenant,
                stream=entry.stream,
                n=n,
                at=self.now,
                segment=segment,
                epoch=epoch,
                writer=self.writer,
                writer_seq=seq,
                event=event,
            )
            project(self.desk, recorded)
            appended.append(recorded)
            self.rows.append((body, plain))
        self.last_n[entry.stream] = n
        self.seqs[entry.tenant] = seq
        return appended

    def _seal(self, appended: Sequence[Recorded]) -> None:
        """Turn (body, plain payload) into rows of the table `events`."""
        rows: list[tuple[Any, ...]] = []
        for recorded, (body, plain) in zip(appended, self.rows, strict=True):
            tenant, stream, n, type_ = recorded.tenant, recorded.stream, recorded.n, recorded.event.type
            payload, key_id = None, ""
            if plain is not None:
                key = self.keys[tenant, self._subject(stream)]
                payload, key_id = key.seal(plain, place(tenant, stream, n, type_)), key.id
            row: dict[str, Any] = {
                "stream": stream,
                "n": n,
                "tenant": tenant,
                "writer": self.writer,
                "writer_seq": recorded.writer_seq,
                "type": type_,
                "at": recorded.at,
                "segment": recorded.segment,
                "epoch": recorded.epoch,
                "body": body,
                "payload": payload,
                "key_id": key_id,
            }
            header = event_header(row)
            salt = salt_of(self.vault.mac_key(tenant, "salt"), header)
            rows.append((*row.values(), salt, leaf_of(salt, header)))
        self.rows = rows

    def _find_keys(self, appended: Sequence[Recorded]) -> dict[str, set[str]]:
        """Take the keys that this process used lately; return the subjects of the others, by tenant."""
        missing: dict[str, set[str]] = {}
        for recorded, (_, plain) in zip(appended, self.rows, strict=True):
            if plain is None:
                continue
            place_ = recorded.tenant, self._subject(recorded.stream)
            if place_ not in self.keys:
                key = self.vault.cached(*place_)
                if key is None:
                    missing.setdefault(place_[0], set()).add(place_[1])
                else:
                    self.keys[place_] = key
        return missing

    def _subject(self, stream: str) -> str:
        run = self.desk.runs.get(stream)
        return stream if run is None else str(run["subject"])


def place(tenant: str, stream: str, n: int, type_: str) -> bytes:
    """Return the associated data that ties a sealed payload to its event."""
    return f"{tenant}\0{stream}\0{n}\0{type_}".encode()


def write_desk(link: Link, desk: Desk) -> None:
    """Bring the database's projections to what is on the desk."""
    fresh, changed = _by_table(desk.fresh), _by_table(desk.changed)
    for name, keys in _KEYS.items():
        # In the order of their keys, so that two processes meet at the same row first and neither waits for the other.
        if name in fresh:
            rows, columns = getattr(desk, name), _COLUMNS[name]
            new = [tuple(map(rows[key].__getitem__, columns)) for key in sorted(fresh[name])]
            link.insert(tables.metadata.tables[name], new)
        if name in changed:
            rows, changing = getattr(desk, name), (*_CHANGING[name], *keys)
            other = [tuple(map(rows[key].__getitem__, changing)) for key in sorted(changed[name])]
            link.many(_UPDATES[name], other)
    if desk.search:
        link.insert(tables.search, sorted(desk.search))


def _by_table(touched: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for table, key in touched:
        found.setdefault(table, []).append(key)
    return found


def nothing_appended(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether nothing was appended."""
    return not any(isinstance(outcome, list) and outcome for outcome in outcomes)


def as_error(error: BaseException) -> BaseException:
    """Return the typed error for one that came from the database driver."""
    if isinstance(error, AieError):
        return error
    said = str(error).splitlines()[0] if str(error) else ""
    if "database is locked" in said:
        return StoreBusy("another process holds the store's write lock", hints=("try again",))
    return StoreError(f"the store failed: {type(error).__name__}: {said}", hints=mending(said))
