"""What may be appended: events that the projection cannot apply are refused before any of their entry is."""

import contextlib
import json
from collections.abc import Sequence
from typing import Final

from aie.core import JSON, canonical
from aie.errors import Conflict, InputError, NotFound
from aie.records.entries import Entry
from aie.records.events import (
    EffectAttempted,
    EffectDelivered,
    EffectFailed,
    EffectQueued,
    Event,
    ReviewDecided,
    ReviewExpired,
    ReviewOpened,
    RunSubmitted,
    encode,
)
from aie.records.projection import GIVEN_UP, Desk, Row

__all__ = ["admit", "check_event", "encoded", "prepare"]

_plain: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


def admit(desk: Desk, entry: Entry, events: Sequence[Event]) -> None:
    """Let the events pass.

    Raises:
        NotFound: they speak of a run, review or effect that is not there, or not of this stream.
        Conflict: the run exists already, or the effect was asked for before and not given up since.
    """
    begun = entry.stream in desk.runs or "/" in entry.stream
    queued: set[str] = set()
    opened: set[str] = set()
    for event in events:
        match event:
            case RunSubmitted():
                if begun:
                    raise Conflict(f"{entry.stream} exists already", run=entry.stream)
                begun = True
            case EffectQueued(key=key):
                known = desk.effects.get((entry.tenant, key))
                if key in queued or (known is not None and not _gave_up(entry.stream, known)):
                    run = entry.stream if known is None else known["run"]
                    raise Conflict(f"the effect was asked for before by {run}", run=run, key=key)
                queued.add(key)
            case EffectAttempted(key=key) | EffectDelivered(key=key) | EffectFailed(key=key):
                if key not in queued and not _owns(entry.stream, desk.effects.get((entry.tenant, key))):
                    raise NotFound(f"{entry.stream} has no effect with the key {key}")
            case ReviewOpened(review=review):
                opened.add(review)
            case ReviewDecided(review=review) | ReviewExpired(review=review):
                if review not in opened and not _owns(entry.stream, desk.reviews.get(review)):
                    raise NotFound(f"{entry.stream} has no review {review}")
            case _:
                pass
        if not begun:
            raise NotFound(f"there is no run {entry.stream}", hints=("`aie runs` lists the runs",))


def check_event(event: Event) -> None:
    """Let an event pass that can be stored; told before it is put into the journal, where its neighbours depend on it.

    Raises:
        InputError: a field holds what cannot be stored.
    """
    object.__setattr__(event, "encoding", _encode(event))


def prepare(event: Event) -> None:
    """Encode an event where it was made: the journal's thread would find none of it in its core's cache.

    What cannot be stored is left to the journal, which refuses its entry.
    """
    if not hasattr(event, "encoding"):
        with contextlib.suppress(InputError):
            check_event(event)


def encoded(event: Event) -> tuple[str, bytes | None]:
    """Return the text of an event's body and the plain bytes of its payload, None when there is nothing to seal.

    What `check_event` encoded is taken once, and not kept longer.

    Raises:
        InputError: a field holds what cannot be stored.
    """
    try:
        known: tuple[str, bytes | None] = event.encoding  # type: ignore[attr-defined]
    except AttributeError:
        return _encode(event)
    object.__delattr__(event, "encoding")
    return known


def _encode(event: Event) -> tuple[str, bytes | None]:
    body, payload = encode(event)
    text = canonical(body).decode()
    if "\\u0000" in text and _holds_nul(body):
        raise InputError(f"a public field of {event.type} holds a NUL character", hints=("remove it",))
    if not payload:
        return text, None
    try:
        # A provider's answer may hold floats: what is digested is the ciphertext.
        plain = _plain(payload).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"private fields of {event.type} are not JSON: {type(error).__name__}") from error
    return text, plain


def _owns(stream: str, row: Row | None) -> bool:
    return row is not None and row["run"] == stream


def _gave_up(stream: str, row: Row) -> bool:
    """Whether a run may ask anew for an effect of its own: its delivery failed for good."""
    return _owns(stream, row) and row["state"] in GIVEN_UP


def _holds_nul(value: JSON) -> bool:
    """Postgres has no text with NUL in it."""
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(each) for key, each in value.items())
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value
