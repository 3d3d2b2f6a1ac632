"""What earlier versions stored: a release, runs told by their events, an export with its saved head.

Each folder of `samples` was written by `tests.compat.make_samples` when that version was current, and is never changed.
Reading it must give what it gave then; what came later may add to that, not take away.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from aie.errors import IntegrityError
from aie.records import Recorded, open_export, read_heads, verify
from aie.records.events import EVENTS, Event, decode
from aie.releases import read_bundle, write_bundle
from aie.runs import explain
from tests.compat.make_samples import FILES, SAMPLES, write_samples
from tests.compat.test_events import stored

VERSIONS = sorted(SAMPLES.iterdir())
at_each_version = pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)


def told(folder: Path) -> dict[str, list[Recorded]]:
    """Return the stored events by the run's name."""
    runs: dict[str, list[Recorded]] = {}
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        place = {name: row[name] for name in ("stream", "n", "at", "segment", "epoch", "writer", "writer_seq")}
        event = decode(row["type"], row["body"], row["payload"])
        runs.setdefault(row["run"], []).append(Recorded(tenant="default", event=event, **place))
    return runs


def lost(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield where something that was told then is told otherwise now; what was added is no loss."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name, value in before.items():
            if name not in now:
                yield f"{path}/{name} is gone"
            else:
                yield from lost(value, now[name], f"{path}/{name}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for at, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from lost(old, new, f"{path}/{at}")
    elif before != now:
        yield f"{path} was {before!r} and is {now!r}"


def required_since(kind: type[Event], first: set[str]) -> set[str]:
    """Return the fields that came after the first sample and that a stored event without them could not have."""
    added: list[Field[Any]] = [each for each in fields(kind) if each.name not in first]
    return {each.name for each in added if each.default is MISSING and each.default_factory is MISSING}


def first_fields() -> dict[str, set[str]]:
    """Return the fields that each type had when it was first stored."""
    known: dict[str, set[str]] = {}
    for line in stored():
        known.setdefault(line["type"], {*line["body"], *line["payload"]})
    return known


@at_each_version
def test_a_stored_release_is_readable_and_keeps_its_name(folder: Path) -> None:
    """Its id and every digest are checked again; written anew it is the same release."""
    release = read_bundle((folder / "release.aie").read_bytes())
    explained = json.loads((folder / "explained.json").read_text(encoding="utf-8"))
    assert {each["release"] for each in explained.values()} == {release.id}
    assert read_bundle(write_bundle(release)).id == release.id


@at_each_version
def test_stored_runs_fold_and_explain_as_they_did(folder: Path) -> None:
    """Outcome, evidence, people, versions, cost, and what is missing: nothing that was told then is told otherwise."""
    release = read_bundle((folder / "release.aie").read_bytes())
    explained = json.loads((folder / "explained.json").read_text(encoding="utf-8"))
    runs = told(folder)
    assert runs.keys() == explained.keys()
    for name, before in explained.items():
        before.pop("timeline")  # sentences, which may be put better
        now = explain(before["run"], runs[name], release, installed=before["installed"]).to_json()
        assert list(lost(before, json.loads(json.dumps(now)), name)) == []


@at_each_version
def test_a_stored_export_verifies_against_its_saved_head(folder: Path) -> None:
    """No store and no key is needed, then or now."""
    with open_export(folder / "export.zip") as source:
        report = verify(source, read_heads(folder / "heads.json"))
    assert report.findings == ()
    assert report.events > 0
    assert report.anchored_up_to == report.sealed_up_to


@at_each_version
def test_a_changed_sample_does_not_pass(folder: Path, tmp_path: Path) -> None:
    """Negative control: a run without its end, a byte of the release, a word of the export."""
    release = read_bundle((folder / "release.aie").read_bytes())
    explained = json.loads((folder / "explained.json").read_text(encoding="utf-8"))
    before = explained["corrected"]
    now = explain(before["run"], told(folder)["corrected"][:-2], release).to_json()
    assert list(lost(before, json.loads(json.dumps(now))))
    changed = bytearray((folder / "release.aie").read_bytes())
    changed[len(changed) // 2] ^= 1
    with pytest.raises(IntegrityError):
        read_bundle(bytes(changed))
    with zipfile.ZipFile(folder / "export.zip") as good, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name).replace(b"sample", b"nobody"))
    with open_export(tmp_path / "bad.zip") as source:
        assert verify(source, read_heads(folder / "heads.json")).findings


def test_a_field_that_came_later_has_a_default() -> None:
    """An event that was stored without it still reads back; a field that was retired keeps its place and a default."""
    known = first_fields()
    assert {kind.type: required_since(kind, known[kind.type]) for kind in EVENTS.values() if kind.type in known} == {
        type_: set() for type_ in known if type_ in EVENTS
    }
    assert known.keys() <= EVENTS.keys(), "a type that was stored once stays readable"


def test_a_required_field_that_came_later_would_be_found() -> None:
    """Negative control: without a default the old sample does not decode."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Later(Event):
        type: ClassVar[str] = "run.waiting"
        reviews: list[str]
        effects: list[str]
        deadline: int
        note: str = ""
        also: list[str] = field(default_factory=list)

    assert required_since(Later, first_fields()["run.waiting"]) == {"deadline"}
    line = next(each for each in stored() if each["type"] == "run.waiting")
    with pytest.raises(TypeError, match="deadline"):
        cast("Any", Later)(**line["body"])


def test_every_sample_holds_every_file_and_none_is_written_again() -> None:
    """A sample that could be written anew would prove nothing of what was stored."""
    assert VERSIONS
    for folder in VERSIONS:
        assert sorted(each.name for each in folder.iterdir()) == sorted(FILES)
        with pytest.raises(FileExistsError):
            write_samples(folder)


def test_the_samples_name_no_machine() -> None:
    """Synthetic claims, no path of the machine that made them."""
    for folder in VERSIONS:
        for name in ("events.jsonl", "explained.json"):
            text = (folder / name).read_text(encoding="utf-8")
            assert not [word for word in ("/tmp", "/home", "/root", "/work", "\\\\") if word in text]
