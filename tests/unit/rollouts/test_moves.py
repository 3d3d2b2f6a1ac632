"""Moving an environment's pointer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aie.core import Limits
from aie.errors import Conflict, InputError, NotFound
from aie.records import Journal, MemoryKeys, Store, open_store
from aie.releases import Plan, save_release, seal
from aie.rollouts import Place, current, history, promote, rollback

PLACE = Place(tenant="t", workflow="claims", environment="production")
KNOWN = ("staging", "production")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(f"sqlite:///{tmp_path / 'aie.db'}", keys=MemoryKeys())
    yield opened
    opened.close()


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    """Its running journal."""
    with Journal(store, "writer_1") as running:
        yield running


@pytest.fixture
def releases(store: Store, journal: Journal) -> list[str]:
    """Ids of three stored releases of one workflow."""
    return [_save(store, journal, "claims", number) for number in range(3)]


def _save(store: Store, journal: Journal, workflow: str, number: int) -> str:
    plan = Plan(
        workflow=workflow,
        case=f"input.c{number}",
        subject=None,
        search={},
        risk="low",
        limits=Limits(),
        result={},
        input_schema="schema:input",
        output_schema="schema:output",
        nodes=(),
    )
    release = seal(plan, components={}, files={}, runtime={})
    save_release(store, journal, release, tenant="t", actor="ana")
    return release.id


def _promote(store: Store, journal: Journal, release: str, place: Place = PLACE) -> None:
    promote(store, journal, place, release, actor="ana", environments=KNOWN)


def test_promoting_moves_the_pointer_and_says_who_and_why(store: Store, journal: Journal, releases: list[str]) -> None:
    """The move is an event of the environment."""
    assert current(store, PLACE) is None
    move = promote(store, journal, PLACE, releases[0], actor="ana", environments=KNOWN, reason="first")
    assert current(store, PLACE) == releases[0] == move.after
    assert (move.verb, move.before, move.actor, move.reason) == ("promote", "", "ana", "first")
    assert history(store, PLACE) == [move]


def test_environments_and_pointers_move_apart(store: Store, journal: Journal, releases: list[str]) -> None:
    """Staging does not move production, nor a canary the stable pointer."""
    _promote(store, journal, releases[0], replace(PLACE, environment="staging"))
    _promote(store, journal, releases[1], replace(PLACE, pointer="canary"))
    assert current(store, PLACE) is None
    assert history(store, PLACE) == []


def test_rolling_back_returns_to_the_release_before(store: Store, journal: Journal, releases: list[str]) -> None:
    """Back is a move of its own, with its actor."""
    _promote(store, journal, releases[0])
    _promote(store, journal, releases[1])
    move = rollback(store, journal, PLACE, actor="bo", environments=KNOWN, reason="errors")
    assert (move.verb, move.before, move.after, move.actor) == ("rollback", releases[1], releases[0], "bo")
    assert current(store, PLACE) == releases[0]


def test_rolling_back_twice_goes_back_two_releases(store: Store, journal: Journal, releases: list[str]) -> None:
    """A release that was rolled back never comes back by another rollback."""
    for release in releases:
        _promote(store, journal, release)
    rollback(store, journal, PLACE, actor="bo", environments=KNOWN)
    assert rollback(store, journal, PLACE, actor="bo", environments=KNOWN).after == releases[0]
    with pytest.raises(NotFound, match="no release was promoted before"):
        rollback(store, journal, PLACE, actor="bo", environments=KNOWN)


def test_rolling_back_to_a_named_release_skips_those_between(
    store: Store, journal: Journal, releases: list[str]
) -> None:
    """Only a release that was promoted here before can be named."""
    for release in releases:
        _promote(store, journal, release)
    assert rollback(store, journal, PLACE, actor="bo", environments=KNOWN, to=releases[0]).after == releases[0]
    with pytest.raises(NotFound, match="not promoted before"):
        rollback(store, journal, PLACE, actor="bo", environments=KNOWN, to=releases[2])


def test_nothing_to_go_back_to_is_said(store: Store, journal: Journal, releases: list[str]) -> None:
    """Neither before the first promotion nor right after it."""
    with pytest.raises(NotFound):
        rollback(store, journal, PLACE, actor="bo", environments=KNOWN)
    _promote(store, journal, releases[0])
    with pytest.raises(NotFound):
        rollback(store, journal, PLACE, actor="bo", environments=KNOWN)


def test_promoting_what_is_there_already_is_a_conflict(store: Store, journal: Journal, releases: list[str]) -> None:
    """A second identical promotion is told, not recorded."""
    _promote(store, journal, releases[0])
    with pytest.raises(Conflict, match="already"):
        _promote(store, journal, releases[0])
    assert len(history(store, PLACE)) == 1


def test_unknown_environments_and_releases_are_refused(store: Store, journal: Journal, releases: list[str]) -> None:
    """Nothing is recorded for a name that does not exist, or a release of another workflow."""
    other = _save(store, journal, "triage", 0)
    with pytest.raises(NotFound, match="no environment"):
        _promote(store, journal, releases[0], replace(PLACE, environment="moon"))
    with pytest.raises(NotFound):
        _promote(store, journal, "claims@0000")
    with pytest.raises(InputError, match="not of claims"):
        _promote(store, journal, other)
    assert history(store, PLACE) == []


def test_a_rollback_that_lost_a_race_is_a_conflict(
    store: Store, journal: Journal, releases: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and moving somebody promoted: the rollback must not undo what it has not seen."""
    _promote(store, journal, releases[0])
    _promote(store, journal, releases[1])
    append = journal.append

    def late(entry: object) -> object:
        monkeypatch.undo()
        _promote(store, journal, releases[2])
        return append(entry)  # type: ignore[arg-type]

    monkeypatch.setattr(journal, "append", late)
    with pytest.raises(Conflict, match="somebody else"):
        rollback(store, journal, PLACE, actor="bo", environments=KNOWN)
    assert current(store, PLACE) == releases[2]
