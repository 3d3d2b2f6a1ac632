"""Gates before models, of all workers of a store: whose turn it is to call one, and which circuit breakers are open.

A call that is let through is a row. It counts as one of the last minute for sixty seconds from when it may have reached
its endpoint at the latest, so that no minute of the endpoint's own clock holds more calls than were let through in one.
It holds its place among the calls under way until it is given back, or until it must be over if its process died.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from aie.records import tables
from aie.records.links import Link
from aie.records.store import Store

__all__ = [
    "OpenGate",
    "Room",
    "close_gate",
    "first_tries",
    "free_room",
    "open_gate",
    "opened_gates",
    "return_pass",
    "take_pass",
    "take_probe",
    "void_pass",
]

_MINUTE: Final = 60_000_000
_TRANSIT: Final = 5_000_000
"""Microseconds from a call's admission within which it reaches its endpoint."""
_MAKE: Final = "INSERT INTO gates (model, open_until, probe_until, why) VALUES (?, 0, 0, '') ON CONFLICT DO NOTHING"
_LOCK: Final = "SELECT model FROM gates WHERE model = ? {lock_rows}"
_OVER: Final = "DELETE FROM passes WHERE model = ? AND counts_until <= ? AND holds_until <= ?"
_COUNT: Final = (
    "SELECT count(*) FILTER (WHERE counts_until > ?), coalesce(sum(tokens) FILTER (WHERE counts_until > ?), 0), "
    "count(*) FILTER (WHERE holds_until > ?), coalesce(min(counts_until) FILTER (WHERE counts_until > ?), 0) "
    "FROM passes WHERE model = ?"
)
_LEAVE: Final = (
    "UPDATE passes SET tokens = ?, holds_until = ?, "
    "counts_until = CASE WHEN counts_until > ? THEN ? ELSE counts_until END WHERE id = ?"
)
_OPEN: Final = select(tables.gates).where(tables.gates.c.open_until > 0)
_PROBE: Final = (
    "UPDATE gates SET probe_until = ? WHERE model = ? AND open_until > 0 AND open_until <= ? AND probe_until <= ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGate:
    """A circuit breaker that is open, or half open until one call tried its model."""

    until: int
    """End of the pause, microseconds since the epoch."""
    why: str
    """What opened it, in words; empty where nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What may still be asked of a model now; None where nothing limits it."""

    calls: int | None
    """In this minute."""
    tokens: int | None
    """In this minute."""
    places: int | None
    """At the same time."""
    next: int
    """Microseconds until the first call of the last minute no longer counts."""

    def fits(self, tokens: int) -> bool:
        """Tell whether one more call may leave."""
        return all(
            (
                self.calls is None or self.calls >= 1,
                self.places is None or self.places >= 1,
                self.tokens is None or self.tokens >= tokens,
            )
        )


def take_pass(store: Store, model: str, rates: Mapping[str, Any], *, name: str, tokens: int, holds: int) -> Room | None:
    """Let a call through, or return what room there is instead.

    Args:
        store: the records.
        model: catalog name.
        rates: `rpm`, `tpm` and `concurrency`; None for no limit.
        name: of the pass, never used before.
        tokens: that the call may use at most.
        holds: microseconds after which it is surely over.
    """
    with store.transaction("gate") as link:
        link.run(_MAKE, model)
        link.fetch(_LOCK, model)
        now = link.now(store.clock.now())
        link.run(_OVER, model, now, now)
        room = _room(link, model, rates, now)
        if not room.fits(tokens):
            return room
        link.insert(tables.passes, [(name, model, tokens, now + _TRANSIT + _MINUTE, now + holds)])
    return None


def return_pass(store: Store, name: str, *, tokens: int) -> None:
    """Give a place back: the call is over, and used so many tokens.

    It counts for a minute from now, or from when it reached its endpoint at the latest, whichever comes first.
    """
    with store.transaction("gate") as link:
        now = link.now(store.clock.now())
        link.run(_LEAVE, tokens, now, now + _MINUTE, now + _MINUTE, name)


def void_pass(store: Store, name: str) -> None:
    """Forget a call that did not leave after all."""
    with store.transaction("gate") as link:
        link.run("DELETE FROM passes WHERE id = ?", name)


def free_room(store: Store, model: str, rates: Mapping[str, Any]) -> Room:
    """Return what may still be asked of a model now, without taking any of it."""
    with store.transaction("gate") as link:
        return _room(link, model, rates, link.now(store.clock.now()))


def _room(link: Link, model: str, rates: Mapping[str, Any], now: int) -> Room:
    calls, tokens, places, first = map(int, link.fetch(_COUNT, now, now, now, now, model)[0])
    taken = {"rpm": calls, "tpm": tokens, "concurrency": places}
    free = {each: None if rates.get(each) is None else rates[each] - used for each, used in taken.items()}
    return Room(
        calls=free["rpm"], tokens=free["tpm"], places=free["concurrency"], next=max(first - now, 0) if first else 0
    )


def open_gate(store: Store, model: str, *, pause: int, why: str | None = None) -> None:
    """Open the breaker of a model; the call that tried it, if any, is no longer awaited.

    Args:
        store: the records.
        model: catalog name.
        pause: microseconds for which nothing is asked.
        why: in words; None leaves what stands there.
    """
    with store.transaction("gate") as link:
        link.run(_MAKE, model)
        until = link.now(store.clock.now()) + pause
        sql = "UPDATE gates SET open_until = ?, probe_until = 0, why = coalesce(?, why) WHERE model = ?"
        link.run(sql, until, why, model)


def close_gate(store: Store, model: str) -> None:
    """Ask a model again: it answered."""
    with store.transaction("gate") as link:
        link.run("UPDATE gates SET open_until = 0, probe_until = 0, why = '' WHERE model = ?", model)


def take_probe(store: Store, model: str, *, holds: int) -> bool:
    """Become the one call that tries a model whose pause is over; False when another one does, or the pause lasts."""
    with store.transaction("gate") as link:
        now = link.now(store.clock.now())
        return link.run(_PROBE, now + holds, model, now, now) == 1


def first_tries(store: Store) -> dict[str, int]:
    """Return the models whose breaker is open, with the time from which one call may try it.

    That is the end of the pause, or when the call that tries it is no longer waited for.
    """
    with store.connect() as connection:
        rows = connection.execute(_OPEN).all()
    return {row.model: max(row.open_until, row.probe_until) for row in rows}


def opened_gates(store: Store) -> dict[str, OpenGate]:
    """Return the models whose breaker is open, or half open until one call tried them."""
    with store.connect() as connection:
        rows = connection.execute(_OPEN).all()
    return {row.model: OpenGate(until=row.open_until, why=row.why) for row in rows}
