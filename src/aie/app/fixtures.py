"""Fixtures: tries of steps that are kept as files of the workflow, and must give the same again.

A fixture holds all that its step needs: the values it read, their documents, the answers of the models it asked. It
runs without a store, a network or a key, so it travels with the workflow. What a run read may be personal: a fixture is
a file in the open, and whoever keeps one answers for it.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aie.app.live_facts import LiveFacts
from aie.app.opening import App
from aie.app.trying import Trial
from aie.config import Workspace, load_workspace
from aie.core import JSON, Cite, Labels, SystemClock, Value, digest_json, read_file, written_whole
from aie.errors import AieError, Failure, InputError, NotFound, Unavailable
from aie.layers import LAYERS, Tools
from aie.releases import compile_release
from aie.runs import KnownCalls, Loaded, Tried, files_of, try_step

__all__ = ["FixtureResult", "fixture_path", "run_fixtures", "save_fixture"]

_FOLDER: Final = "fixtures"
_OF_HERE: Final = frozenset({Failure.INTERNAL.value, Failure.PROVIDER_REFUSED.value})
"""Failures that say nothing of a step whose calls are all recorded: a defect, a new question, what is missing here."""
_LARGEST: Final = 64_000_000
"""Bytes of a fixture with its documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureResult:
    """What came of one fixture."""

    name: str
    """`WORKFLOW/NAME`."""
    step: str
    held: bool
    why: str = ""
    """What differs, in words; empty when it held."""
    updatable: bool = False
    """What came may be what is meant: `update` makes the fixture expect it."""
    expected: JSON = None
    came: JSON = None


def fixture_path(root: Path, workflow: str, name: str) -> Path:
    """Return where a fixture of a workflow stands.

    Raises:
        InputError: the name is no file's.
    """
    if not name or not all(each.isalnum() or each in "-_" for each in name):
        raise InputError(f"{name!r} is no name for a fixture", hints=("letters, digits, - and _",))
    return root / "workflows" / workflow / _FOLDER / f"{name}.json"


def save_fixture(app: App, trial: Trial, name: str) -> Path:
    """Keep a try as a fixture that expects what came of it now; return the file.

    Raises:
        InputError: the name is no file's, or the file cannot be written.
        NotFound: a document of the run is gone.
    """
    path = fixture_path(app.root, trial.workflow, name)
    documents = {ref: app.store.get_blob(app.tenant, ref) for ref in sorted(_references(trial.tried.inputs))}
    fixture: dict[str, JSON] = {
        "step": trial.tried.path,
        "values": {each: _value_json(value) for each, value in sorted(trial.tried.inputs.items())},
        "documents": {ref: base64.b64encode(content).decode() for ref, content in documents.items()},
        "calls": {digest_json(request): answer for request, answer in trial.asked},
        "expected": trial.tried.compared(),
    }
    _write(path, fixture)
    return path


def run_fixtures(root: Path, workflow: str = "", *, update: bool = False) -> Iterator[FixtureResult]:
    """Try every fixture of a workspace, or of one workflow, and tell which still give what they expect.

    Args:
        root: the workspace.
        workflow: only of this one.
        update: let each expect what came of it now.

    Raises:
        ConfigError: the workspace's files have mistakes.
        NotFound: no such workflow.
    """
    workspace = load_workspace(root)
    if workflow and workflow not in workspace.workflows:
        raise NotFound(f"no workflow is named {workflow!r}", hints=(f"there are {', '.join(workspace.workflows)}",))
    for name in [workflow] if workflow else sorted(workspace.workflows):
        paths = sorted((root / "workflows" / name / _FOLDER).glob("*.json"))
        loaded = Loaded(compile_release(workspace, name)) if paths else None
        for path in paths:
            assert loaded is not None, "made for the first path"
            yield _run(workspace, loaded, path, update=update)


def _run(workspace: Workspace, loaded: Loaded, path: Path, *, update: bool) -> FixtureResult:
    name = f"{loaded.index.plan.workflow}/{path.stem}"
    try:
        fixture = _read(path)
        tried = _try(workspace, loaded, fixture)
    except AieError as error:
        return FixtureResult(name=name, step="", held=False, why=error.message)
    step, expected = cast("str", fixture["step"]), fixture["expected"]
    came = tried.compared()
    updatable = came != expected and tried.failure not in _OF_HERE
    if updatable and update:
        _write(path, {**fixture, "expected": came})
        return FixtureResult(name=name, step=step, held=True, why="expects what came now", came=came)
    why = "" if came == expected else _differences(cast("dict[str, JSON]", expected), tried)
    return FixtureResult(name=name, step=step, held=not why, why=why, updatable=updatable, expected=expected, came=came)


def _try(workspace: Workspace, loaded: Loaded, fixture: Mapping[str, Any]) -> Tried:
    values = {name: _value(data) for name, data in fixture["values"].items()}
    documents = {ref: base64.b64decode(content, validate=True) for ref, content in fixture["documents"].items()}
    step = fixture["step"]
    top = step.partition("[")[0]
    if top not in loaded.index.nodes or (top != step and step.rpartition("/")[2] not in loaded.index.bodies[top]):
        raise NotFound(f"the workflow has no step {step!r} any more")
    calls = KnownCalls(fixture["calls"], digest_json)
    live = LiveFacts(workspace.root, SystemClock())
    return try_step(
        loaded,
        step,
        values,
        layers={str(name): layer for name, layer in LAYERS.items()},
        tools=lambda labels: Tools(
            files=files_of(documents),
            attempts=calls,
            components=loaded.component,
            live=live,
            secret=_no_secret,
            cache=loaded.cached,
            labels=labels,
        ),
    )


def _no_secret(reference: str) -> str:
    raise Unavailable(f"a fixture asks nobody outside, so it has no {reference}")


def _references(values: Mapping[str, Value]) -> set[str]:
    """Return the references of all documents in these values."""
    found: set[str] = set()

    def walk(data: JSON) -> None:
        match data:
            case {"ref": str(ref), "name": str(), "media_type": str(), "size": int()}:
                found.add(ref)
            case dict():
                for each in data.values():
                    walk(each)
            case list():
                for each in data:
                    walk(each)
            case _:
                pass

    for value in values.values():
        walk(value.data)
    return found


def _value_json(value: Value) -> JSON:
    return {
        "data": value.data,
        "ref": value.ref,
        "labels": cast("JSON", value.labels.to_json()),
        "cites": [each.to_json() for each in value.cites],
    }


def _value(data: Mapping[str, Any]) -> Value:
    return Value(
        data=data["data"],
        ref=data["ref"],
        labels=Labels.from_json(data["labels"]),
        cites=tuple(Cite.from_json(each) for each in data["cites"]),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        fixture = json.loads(read_file(path, at_most=_LARGEST))
        if not isinstance(fixture, dict) or {"step", "values", "documents", "calls", "expected"} - fixture.keys():
            raise InputError(f"{path.name} is no fixture", hints=("make it anew with `aie try STEP --save NAME`",))
        for value in fixture["values"].values():
            _value(value)
        for content in fixture["documents"].values():
            base64.b64decode(content, validate=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise InputError(f"{path.name} cannot be read: {type(error).__name__}", hints=("make it anew",)) from error
    return fixture


def _write(path: Path, fixture: Mapping[str, JSON]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft:
            draft.write_text(json.dumps(fixture, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {(error.strerror or 'error').lower()}") from error


def _differences(expected: Mapping[str, JSON], tried: Tried) -> str:
    """Say what differs by place, never by value: what a fixture holds may be personal. Of a failure, say why."""
    if (expected.get("came"), expected.get("failure")) == (tried.came, tried.failure):
        return f"differs at {', '.join(_places(expected.get('data'), tried.data)) or 'its form'}"
    came = f"it failed with {tried.failure} ({tried.message})" if tried.came == "failed" else f"it {tried.came}"
    wanted = expected.get("failure") or expected.get("came")
    return f"{came}, expected: {wanted}"


def _places(one: JSON, other: JSON, path: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            place
            for name in sorted({*one, *other})
            for place in _places(one.get(name), other.get(name), f"{path}/{name}")
        ][:8]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [place for at, (left, right) in pairs for place in _places(left, right, f"{path}/{at}")][:8]
    return [] if one == other else [path or "/"]
