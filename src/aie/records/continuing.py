"""How a continuation is written: all of it, or nothing when a row does not stand as it was left.

On Postgres it is one prepared statement, which is a transaction of its own: one round trip where locking, reading,
writing and committing take eight or more. Its parameters are arrays in Postgres's binary format, made here and handed
to libpq: the driver's adaptation of as many values takes three times as long as the statement. There are two, as most
transactions are of the middle of segments, and need the half of it.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, LargeBinary, Table

from aie.records import tables
from aie.records.memory import CLOSING, MOVING, Begun, Continuation
from aie.records.projection import DRAWN

__all__ = ["ask", "looks", "moves"]

_LIVE: Final = "(SELECT state FROM executors WHERE executors.id = runs.executor) = 'live'"

# ---------------------------------------------------------------------------------------------------------- SQLite


def _picked(table: Table, *names: str) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what picks columns out of whole rows."""
    return itemgetter(*map([column.name for column in table.columns].index, names))


def _move(columns: Sequence[str]) -> str:
    return f"UPDATE runs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ? AND last_n = ? AND {_LIVE}"


_MOVE_RUN: Final = {False: _move(MOVING), True: _move(CLOSING)}
_MOVE_DRAWS: Final = (
    f"UPDATE draws SET {', '.join(f'{name} = ?' for name in DRAWN)} "
    f"WHERE slab = ? AND {' AND '.join(f'{name} = ?' for name in DRAWN)} "
    "AND EXISTS (SELECT 1 FROM slabs WHERE slabs.id = draws.slab AND granted_cost = ? AND granted_tokens = ?)"
)
_SAME_KEY: Final = "SELECT 1 FROM runs WHERE idempotency_key = ? AND tenant = ? AND workflow = ?"
_same_key: Final = _picked(tables.runs, "idempotency_key", "tenant", "workflow")
_HAS_KEY: Final = "SELECT 1 FROM data_keys WHERE tenant = ? AND subject = ? AND wrapped IS NOT NULL"
_key_place: Final = _picked(tables.data_keys, "tenant", "subject")
_IS_DEAD: Final = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM executors WHERE id = ? AND state = 'live')"


def moves(given: Continuation) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield statements with the parameters of each row that they move; a row that does not stand is not moved."""
    for closes, count in ((False, len(MOVING)), (True, len(CLOSING))):
        steps = [step for step in given.runs if step.closes is closes]
        yield _MOVE_RUN[closes], [(*step.after[:count], step.id, step.before) for step in steps]
    yield _MOVE_DRAWS, [(*slab.after, slab.id, *slab.before, *slab.granted) for slab in given.slabs]


def looks(begun: Begun) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield statements with their parameters that find a row each where nothing may begin."""
    for run in begun.runs:
        yield _SAME_KEY, _same_key(run)
    for key in begun.keys:
        yield _HAS_KEY, _key_place(key)
    for executor in begun.executors:
        yield _IS_DEAD, (executor,)


# -------------------------------------------------------------------------------------------------------- Postgres

_NAMES: Final = {BigInteger: "bigint", LargeBinary: "bytea", Boolean: "boolean"}


def _types(table: Table) -> dict[str, str]:
    return {column.name: _NAMES.get(type(column.type), "text") for column in table.columns}


_EVENTS: Final = _types(tables.events)
_RUNS: Final = _types(tables.runs)
_SEARCH: Final = _types(tables.search)
_KEYS: Final = _types(tables.data_keys)
_SLABS: Final = {"id": "text", "cost": "bigint", "tokens": "bigint"}
_COUNTED: Final = len(DRAWN)


class _Parameters:
    """The parameters of a statement, numbered as they are named."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def one(self, type_: str) -> str:
        """Return an array."""
        self.types.append(type_)
        return f"${len(self.types)}::{type_}[]"

    def arrays(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Return an array for each of these columns."""
        return {name: self.one(type_) for name, type_ in columns.items()}


def _rows(arrays: Mapping[str, str], *names: str) -> str:
    """Return rows of these columns, or of all, as a table `given`."""
    chosen = names or tuple(arrays)
    return f"unnest({', '.join(map(arrays.__getitem__, chosen))}) AS given ({', '.join(chosen)})"


def _insert(table: str, arrays: Mapping[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(arrays)}) SELECT given.* FROM verdict, {_rows(arrays)} WHERE stands"


def _statement(changing: Sequence[str], *, begins: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the statement that changes these columns of runs, and the types of its arrays."""
    given = _Parameters()
    moving = given.arrays({"id": "text", "before": "bigint", **{name: _RUNS[name] for name in changing}})
    drawing = given.arrays(_SLABS)
    before, after = given.one("bigint"), given.one("bigint")
    events = given.arrays(_EVENTS)
    more, free, last = _beginning(given) if begins else ("", "", "")
    text = f"""
WITH moving AS (
    SELECT given.* FROM {_rows(moving)}
), drawing AS (
    SELECT id, cost, tokens, ({_COUNTED} * (place - 1))::integer AS at
    FROM unnest({", ".join(drawing.values())}) WITH ORDINALITY AS given (id, cost, tokens, place)
), standing AS MATERIALIZED (
    SELECT runs.id FROM moving JOIN runs ON runs.id = moving.id AND runs.last_n = moving.before AND {_LIVE}
    ORDER BY runs.id FOR UPDATE OF runs SKIP LOCKED
), granted AS MATERIALIZED (
    SELECT slabs.id FROM drawing
    JOIN slabs ON slabs.id = drawing.id AND granted_cost = drawing.cost AND granted_tokens = drawing.tokens
    JOIN draws ON draws.slab = drawing.id
        AND ARRAY[{", ".join(DRAWN)}] = ({before})[drawing.at + 1 : drawing.at + {_COUNTED}]
    ORDER BY slabs.id FOR UPDATE OF slabs, draws SKIP LOCKED
), verdict AS MATERIALIZED (
    SELECT (SELECT count(*) FROM standing) = (SELECT count(*) FROM moving)
        AND (SELECT count(*) FROM granted) = (SELECT count(*) FROM drawing){free} AS stands
), moved AS (
    UPDATE runs SET {", ".join(f"{name} = moving.{name}" for name in changing)}
    FROM moving, verdict WHERE runs.id = moving.id AND moving.last_n > moving.before AND stands
), drawn AS (
    UPDATE draws SET {", ".join(f"{name} = ({after})[drawing.at + {n}]" for n, name in enumerate(DRAWN, 1))}
    FROM drawing, verdict WHERE draws.slab = drawing.id AND stands
), appended AS (
    {_insert("events", events)}
){more}
SELECT stands{last} FROM verdict
"""
    return text.encode(), tuple(given.types)


def _beginning(given: _Parameters) -> tuple[str, str, str]:
    """Return what new runs and news add to the statement: to its parts, to its verdict, to its end."""
    begun, search, keys = given.arrays(_RUNS), given.arrays(_SEARCH), given.arrays(_KEYS)
    executors, news = given.one("text"), given.one("text")
    parts = f""", begun AS (
    {_insert("runs", begun)}
), found AS (
    {_insert("search", search)}
), keyed AS (
    {_insert("data_keys", keys)}
), told AS MATERIALIZED (
    SELECT pg_notify('{tables.CHANNEL}', message) FROM verdict, unnest({news}) AS message WHERE stands
)"""
    free = f"""
        AND (SELECT count(*) FROM executors WHERE state = 'live' AND id = ANY({executors})) = cardinality({executors})
        AND NOT EXISTS (
            SELECT 1 FROM {_rows(begun, "idempotency_key", "tenant", "workflow")} JOIN runs USING (idempotency_key)
            WHERE (runs.tenant, runs.workflow) IS NOT DISTINCT FROM (given.tenant, given.workflow)
        ) AND NOT EXISTS (
            SELECT 1 FROM {_rows(keys, "tenant", "subject")} JOIN data_keys USING (tenant, subject)
            WHERE wrapped IS NOT NULL
        )"""
    return parts, free, ", (SELECT count(*) FROM told)"


@dataclass(frozen=True, slots=True)
class _Statement:
    name: bytes
    text: bytes
    types: tuple[str, ...]


_MIDDLE: Final = _Statement(b"aie_continue", *_statement(MOVING, begins=False))
_WHOLE: Final = _Statement(b"aie_begin_or_close", *_statement(CLOSING, begins=True))
"""All rows are compared and locked at once, by what they hold when the lock is there: a row that was changed meanwhile
does not stand, and nor does one that somebody else has locked, who may be about to change it.

Their plans are made while the tables may be empty, when any index seems as good as the right one: what is compared
beside a key must not look like a part of another."""

_HEAD: Final = struct.Struct(">iiIii")
_SIZE: Final = struct.Struct(">i")
_NULL: Final = _SIZE.pack(-1)
_BOOLEANS: Final = (b"\0", b"\1")
_OID: Final = {"bigint": 20, "text": 25, "bytea": 17, "boolean": 16}


def ask(connection: Any, given: Continuation, prepared: set[bytes]) -> bool:
    """Run the statement on a connection of libpq that is in no transaction; whether it was done.

    Args:
        connection: of this thread alone.
        given: what is written.
        prepared: statements that were run on this connection before; added to. A server that forgot one, as the driver
            makes it after a rollback, has done nothing and is told it again.
    """
    from psycopg import errors  # noqa: PLC0415 - an extra

    statement = _MIDDLE if given.is_middle else _WHOLE
    values = [_array(type_, each) for type_, each in zip(statement.types, _values(given), strict=True)]
    try:
        if statement.name in prepared:
            try:
                return _run(connection, statement, values)
            except errors.InvalidSqlStatementName:
                pass
        _ok(connection.prepare(statement.name, statement.text))
        prepared.add(statement.name)
        return _run(connection, statement, values)
    except errors.UniqueViolation:
        return False  # somebody else began the same run, or gave the same subject its key, at the same time


def _run(connection: Any, statement: _Statement, values: Sequence[bytes]) -> bool:
    result = _ok(connection.exec_prepared(statement.name, values, [1] * len(values), 1))
    return bool(result.get_value(0, 0) == b"\1")


def _ok(result: Any) -> Any:
    from psycopg import errors, pq  # noqa: PLC0415 - an extra

    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        raise errors.error_from_result(result)
    return result


def _values(given: Continuation) -> Iterable[Sequence[Any]]:
    """Return the arrays of the statement, in the order of its parameters."""
    changing = MOVING if given.is_middle else CLOSING
    runs = [(run.id, run.before, *run.after[: len(changing)]) for run in given.runs]
    slabs = (
        [slab.id for slab in given.slabs],
        [slab.granted[0] for slab in given.slabs],
        [slab.granted[1] for slab in given.slabs],
        [count for slab in given.slabs for count in slab.before],
        [count for slab in given.slabs for count in slab.after],
    )
    middle = chain(_columns(runs, 2 + len(changing)), slabs, _columns(given.events, len(_EVENTS)))
    if given.is_middle:
        return middle
    begun = given.begun
    return chain(
        middle,
        _columns(begun.runs, len(_RUNS)),
        _columns(begun.search, len(_SEARCH)),
        _columns(begun.keys, len(_KEYS)),
        (begun.executors, given.news),
    )


def _columns(rows: Sequence[Sequence[Any]], count: int) -> Iterable[Sequence[Any]]:
    return zip(*rows, strict=True) if rows else ((),) * count


def _array(type_: str, values: Sequence[Any]) -> bytes:
    """Encode an array of one dimension: https://www.postgresql.org/docs/current/arrays.html, `array_send`."""
    count = len(values)
    head = _HEAD.pack(1, 1, _OID[type_], count, 1) if count else _HEAD.pack(0, 0, _OID[type_], 0, 0)[:12]
    if type_ == "bigint":
        return head + struct.pack(f">{'iq' * count}", *chain.from_iterable((8, value) for value in values))
    parts = [head]
    for value in values:
        if value is None:
            parts.append(_NULL)
            continue
        raw = value.encode() if type_ == "text" else _BOOLEANS[value] if type_ == "boolean" else value
        parts += (_SIZE.pack(len(raw)), raw)
    return b"".join(parts)
