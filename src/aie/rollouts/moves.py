"""Moving an environment's pointer: promote, roll back, and what was moved when by whom."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from aie.errors import Conflict, InputError, NotFound
from aie.records import Entry, Event, Journal, Locked, Store, environment_stream, events
from aie.releases import find_release, short

__all__ = ["Move", "Place", "Pointer", "Verb", "current", "history", "promote", "rollback"]

Pointer = Literal["stable", "canary", "shadow"]
Verb = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose pointer is meant."""

    tenant: str
    workflow: str
    environment: str
    pointer: Pointer = "stable"

    def __str__(self) -> str:
        return f"{self.workflow} in {self.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A pointer was moved."""

    n: int
    """Position in the environment's stream, from 1."""
    at: int
    """Microseconds since the epoch."""
    verb: Verb
    before: str
    """Release id; empty for the first move."""
    after: str
    """Release id."""
    actor: str
    reason: str


def current(store: Store, place: Place) -> str | None:
    """Return the id of the release that the pointer names, or None before its first move."""
    return store.environment(place.tenant, place.workflow, place.environment).get(place.pointer)


def history(store: Store, place: Place) -> list[Move]:
    """Return every move of the pointer, oldest first."""
    stream = environment_stream(place.tenant, place.workflow, place.environment)
    return [
        Move(
            n=each.n,
            at=each.at,
            verb="rollback" if each.event.verb == "rollback" else "promote",
            before=each.event.before,
            after=each.event.after,
            actor=each.event.actor,
            reason=each.event.reason,
        )
        for each in store.read(stream, tenant=place.tenant)
        if isinstance(each.event, events.EnvironmentMoved) and each.event.pointer == place.pointer
    ]


def promote(
    store: Store,
    journal: Journal,
    place: Place,
    release: str,
    *,
    actor: str,
    environments: Collection[str],
    reason: str = "",
) -> Move:
    """Point the environment at a release; runs that began before stay on theirs.

    Args:
        store: where the release is.
        journal: where the move is recorded.
        place: the pointer.
        release: what people call the release: `claims@1a2b3c4d5e6f`, or its id.
        actor: who moves it.
        environments: names of the environments there are.
        reason: why, in words.

    Raises:
        InputError: a release of another workflow.
        NotFound: no such release or environment.
        Conflict: the pointer names this release already.
    """
    _check_environment(place, environments)
    row = find_release(store, release, tenant=place.tenant)
    if row.workflow != place.workflow:
        raise InputError(f"{short(row.id, row.workflow)} is a release of {row.workflow}, not of {place.workflow}")

    def choose(_: Locked) -> str:
        return row.id

    return _move(store, journal, place, choose, verb="promote", actor=actor, reason=reason)


def rollback(
    store: Store,
    journal: Journal,
    place: Place,
    *,
    actor: str,
    environments: Collection[str],
    to: str = "",
    reason: str = "",
) -> Move:
    """Point the environment back at the release before, or at the earlier one that `to` names.

    Going back twice goes back two releases: a release that was rolled back is never the target of a later rollback.

    Raises:
        NotFound: an unknown environment, there is no release to go back to, or `to` was never promoted here.
        Conflict: somebody moved the pointer at the same time.
    """
    _check_environment(place, environments)
    moves = history(store, place)
    earlier = _earlier(moves)
    target = find_release(store, to, tenant=place.tenant).id if to else earlier[-1] if earlier else ""
    if target not in earlier:
        what = f"{to} was not promoted before the current release" if to else "no release was promoted before"
        raise NotFound(f"{place} cannot go back: {what}", hints=("`aie promote` moves it to any release",))
    seen = moves[-1].after if moves else ""

    def choose(locked: Locked) -> str:
        if locked.pointers.get(place.pointer, "") != seen:
            raise Conflict(f"{place} was moved by somebody else", hints=("look at `aie status` and try again",))
        return target

    return _move(store, journal, place, choose, verb="rollback", actor=actor, reason=reason)


def _earlier(moves: Sequence[Move]) -> list[str]:
    """Return the releases below the current one: promoting puts one on top, rolling back takes those above away."""
    stack: list[str] = []
    for move in moves:
        if move.verb == "rollback" and move.after in stack:
            del stack[stack.index(move.after) + 1 :]
        else:
            stack = [each for each in stack if each != move.after]
            stack.append(move.after)
    return stack[:-1]


def _move(
    store: Store,
    journal: Journal,
    place: Place,
    choose: Callable[[Locked], str],
    *,
    verb: Verb,
    actor: str,
    reason: str,
) -> Move:
    def decide(locked: Locked) -> Sequence[Event]:
        before, after = locked.pointers.get(place.pointer, ""), choose(locked)
        if before == after:
            raise Conflict(f"{place} is at {short(after, place.workflow)} already")
        return (
            events.EnvironmentMoved(
                workflow=place.workflow,
                environment=place.environment,
                pointer=place.pointer,
                before=before,
                after=after,
                actor=actor,
                verb=verb,
                reason=reason,
            ),
        )

    stream = environment_stream(place.tenant, place.workflow, place.environment)
    (recorded,) = journal.append(Entry(tenant=place.tenant, stream=stream, decide=decide))
    return next(move for move in history(store, place) if move.n == recorded.n)


def _check_environment(place: Place, environments: Collection[str]) -> None:
    if place.environment not in environments:
        known = ", ".join(environments)
        raise NotFound(f"there is no environment {place.environment!r}", hints=(f"aie.yaml names: {known}",))
