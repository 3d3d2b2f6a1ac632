"""Releases in a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aie.errors import Conflict, InputError, IntegrityError, NotFound
from aie.records import Journal, MemoryKeys, Store, events, open_store, release_stream
from aie.releases import find_release, load_release, save_release, write_bundle
from tests.unit.releases.conftest import MakeRelease


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


def test_a_saved_release_loads_as_it_was_by_any_of_its_names(
    make_release: MakeRelease, store: Store, journal: Journal
) -> None:
    """Short name, full id, and the beginning of the digits."""
    release = make_release()
    assert save_release(store, journal, release, tenant="t", actor="ana")
    for name in (release.short, release.id, release.id[7:], release.id[7:15]):
        assert load_release(store, name, tenant="t") == release


def test_saving_again_changes_nothing(make_release: MakeRelease, store: Store, journal: Journal) -> None:
    """The second time there is neither an event nor other bytes, whoever asks."""
    release = make_release()
    assert save_release(store, journal, release, tenant="t", actor="ana")
    assert not save_release(store, journal, release, tenant="t", actor="bo")
    assert len(store.read(release_stream("t", release.id))) == 1


def test_one_id_is_not_locked_under_two_layer_versions(
    make_release: MakeRelease, store: Store, journal: Journal
) -> None:
    """Runs of the first lock are pinned to its versions: an upgrade needs a release of its own."""
    release, upgraded = make_release(), make_release(runtime={"check": 1, "model": 9})
    save_release(store, journal, release, tenant="t", actor="ana")
    with pytest.raises(Conflict, match="model 3 → 9"):
        save_release(store, journal, upgraded, tenant="t", actor="bo")
    assert not save_release(store, journal, upgraded, tenant="t", actor="bo", imported=True)
    assert load_release(store, release.id, tenant="t").runtime == release.runtime


def test_who_made_a_release_is_recorded(make_release: MakeRelease, store: Store, journal: Journal) -> None:
    """Creation is an event with its actor and what it followed."""
    release = make_release()
    save_release(store, journal, release, tenant="t", actor="ana", parent="sha256:0", imported=True)
    (recorded,) = store.read(release_stream("t", release.id))
    assert isinstance(recorded.event, events.ReleaseCreated)
    assert (recorded.event.actor, recorded.event.parent, recorded.event.imported) == ("ana", "sha256:0", True)


def test_a_name_of_another_tenant_workflow_or_nothing_is_not_found(
    make_release: MakeRelease, store: Store, journal: Journal
) -> None:
    """Tenants do not see one another's releases."""
    release = make_release()
    save_release(store, journal, release, tenant="t", actor="ana")
    for name, tenant in ((release.short, "other"), (f"triage@{release.id[7:19]}", "t"), ("claims@0000", "t")):
        with pytest.raises(NotFound):
            find_release(store, name, tenant=tenant)


@pytest.mark.parametrize("name", ["", "claims", "claims@", "claims@xyz", "%", "sha256:", "claims@12_4", "abc"])
def test_what_does_not_name_a_release_is_refused(store: Store, name: str) -> None:
    """Wildcards and half names are input mistakes, not queries."""
    with pytest.raises(InputError):
        find_release(store, name, tenant="t")


def test_the_beginning_of_several_ids_is_refused_with_their_names(
    make_release: MakeRelease, store: Store, journal: Journal
) -> None:
    """An ambiguous name never picks one by chance."""
    made = [make_release(case=f"input.c{i}") for i in range(600)]
    by_start: dict[str, list[str]] = {}
    for i, release in enumerate(made):
        by_start.setdefault(release.id[7:11], []).append(str(i))
    start, (one, other, *_) = next((start, found) for start, found in by_start.items() if len(found) > 1)
    for number in (one, other):
        save_release(store, journal, made[int(number)], tenant="t", actor="ana")
    with pytest.raises(InputError, match="beginning of several"):
        find_release(store, start, tenant="t")


def test_a_stored_bundle_that_was_changed_is_refused(make_release: MakeRelease, store: Store, journal: Journal) -> None:
    """Also when what stands there is a sound release of its own."""
    release, other = make_release(), make_release(risk="low")
    save_release(store, journal, release, tenant="t", actor="ana")
    with store.writing.begin() as connection:
        connection.exec_driver_sql("UPDATE bundles SET data = ?", (write_bundle(other),))
    with pytest.raises(IntegrityError, match="not what was put"):
        load_release(store, release.id, tenant="t")
