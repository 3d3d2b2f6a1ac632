"""How a continuation is written: all of it, or nothing when a row does not stand as it was left.

On Postgres it is one prepared statement, which is a transaction of its own: one round trip where locking, reading,
writing and committing take eight. Its parameters are arrays in Postgres's binary format, made here and handed to libpq:
the driver's adaptation of as many values takes three times as long as the statement.
"""

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import BigInteger, LargeBinary

from aie.records import tables
from aie.records.memory import Continuation
from aie.records.projection import DRAWN

__all__ = ["MOVE_DRAWS", "MOVE_RUN", "ask"]

_LIVE: Final = "(SELECT state FROM executors WHERE executors.id = runs.executor) = 'live'"

# ---------------------------------------------------------------------------------------------------------- SQLite

MOVE_RUN: Final = f"UPDATE runs SET last_n = ?, spend = ?, updated_at = ? WHERE id = ? AND last_n = ? AND {_LIVE}"
MOVE_DRAWS: Final = (
    f"UPDATE draws SET {', '.join(f'{name} = ?' for name in DRAWN)} "
    f"WHERE slab = ? AND {' AND '.join(f'{name} = ?' for name in DRAWN)} "
    "AND EXISTS (SELECT 1 FROM slabs WHERE slabs.id = draws.slab AND granted_cost = ? AND granted_tokens = ?)"
)


# -------------------------------------------------------------------------------------------------------- Postgres


def _type(column: Any) -> str:
    return {BigInteger: "bigint", LargeBinary: "bytea"}.get(type(column.type), "text")


_EVENTS: Final = tuple(tables.events.columns)
_OF_RUNS: Final = ("text", "bigint", "bigint", "text", "bigint")
_OF_SLABS: Final = ("text", "bigint", "bigint", "bigint", "bigint")
_OF_EVENTS: Final = tuple(map(_type, _EVENTS))


def _unnest(first: int, types: Sequence[str]) -> str:
    return f"unnest({', '.join(f'${n}::{type_}[]' for n, type_ in enumerate(types, first))})"


_COUNTED: Final = len(DRAWN)
_NAME: Final = b"aie_continue"
_STATEMENT: Final = f"""
WITH moving AS (
    SELECT given.* FROM {_unnest(1, _OF_RUNS)} AS given (id, before, last_n, spend, updated_at)
), drawing AS (
    SELECT id, cost, tokens, ({_COUNTED} * (place - 1))::integer AS at
    FROM {_unnest(6, _OF_SLABS[:3])} WITH ORDINALITY AS given (id, cost, tokens, place)
), standing AS MATERIALIZED (
    SELECT runs.id FROM moving JOIN runs ON runs.id = moving.id AND runs.last_n = moving.before AND {_LIVE}
    ORDER BY runs.id FOR UPDATE OF runs SKIP LOCKED
), granted AS MATERIALIZED (
    SELECT slabs.id FROM drawing
    JOIN slabs ON slabs.id = drawing.id AND granted_cost = drawing.cost AND granted_tokens = drawing.tokens
    JOIN draws ON draws.slab = drawing.id
        AND ARRAY[{", ".join(DRAWN)}] = ($9::bigint[])[drawing.at + 1 : drawing.at + {_COUNTED}]
    ORDER BY slabs.id FOR UPDATE OF slabs, draws SKIP LOCKED
), verdict AS MATERIALIZED (
    SELECT (SELECT count(*) FROM standing) = cardinality($1) AND (SELECT count(*) FROM granted) = cardinality($6)
    AS stands
), moved AS (
    UPDATE runs SET last_n = moving.last_n, spend = moving.spend, updated_at = moving.updated_at
    FROM moving, verdict WHERE runs.id = moving.id AND moving.last_n > moving.before AND stands
), drawn AS (
    UPDATE draws SET {", ".join(f"{name} = ($10::bigint[])[drawing.at + {n}]" for n, name in enumerate(DRAWN, 1))}
    FROM drawing, verdict WHERE draws.slab = drawing.id AND stands
), appended AS (
    INSERT INTO events ({", ".join(column.name for column in _EVENTS)})
    SELECT given.* FROM verdict, {_unnest(11, _OF_EVENTS)} AS given WHERE stands
)
SELECT stands FROM verdict
""".encode()
"""All rows are compared and locked at once, by what they hold when the lock is there: a row that was changed meanwhile
does not stand, and nor does one that somebody else has locked, who may be about to change it."""

_HEAD: Final = struct.Struct(">iiIii")
_SIZE: Final = struct.Struct(">i")
_NULL: Final = _SIZE.pack(-1)
_OID: Final = {"bigint": 20, "text": 25, "bytea": 17}


def ask(connection: Any, given: Continuation, *, is_prepared: bool) -> bool:
    """Run the statement on a connection of libpq that is in no transaction; whether it was done.

    Args:
        connection: of this thread alone.
        given: what is written.
        is_prepared: whether the statement was run on this connection before. A server that forgot it, as the driver
            makes it after a rollback, has done nothing and is told it again.
    """
    from psycopg import errors  # noqa: PLC0415 - an extra

    values = _parameters(given)
    if is_prepared:
        try:
            return _run(connection, values)
        except errors.InvalidSqlStatementName:
            pass
    _ok(connection.prepare(_NAME, _STATEMENT))
    return _run(connection, values)


def _run(connection: Any, values: Sequence[bytes]) -> bool:
    result = _ok(connection.exec_prepared(_NAME, values, _BINARY, 1))
    return bool(result.get_value(0, 0) == b"\1")


def _ok(result: Any) -> Any:
    from psycopg import errors, pq  # noqa: PLC0415 - an extra

    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        raise errors.error_from_result(result)
    return result


def _parameters(given: Continuation) -> list[bytes]:
    runs = zip(*((run.id, run.before, run.last_n, run.spend, run.updated_at) for run in given.runs), strict=True)
    slabs = (
        [slab.id for slab in given.slabs],
        [slab.granted[0] for slab in given.slabs],
        [slab.granted[1] for slab in given.slabs],
        [count for slab in given.slabs for count in slab.before],
        [count for slab in given.slabs for count in slab.after],
    )
    values = chain(runs, slabs, zip(*given.events, strict=True))
    return [_array(type_, each) for type_, each in zip(_TYPES, values, strict=True)]


_TYPES: Final = (*_OF_RUNS, *_OF_SLABS, *_OF_EVENTS)
_BINARY: Final = [1] * len(_TYPES)


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
        raw = value.encode() if type_ == "text" else value
        parts += (_SIZE.pack(len(raw)), raw)
    return b"".join(parts)
