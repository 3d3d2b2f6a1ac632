"""The vocabulary: every event comes back as it was, and private fields stay private."""

import json
from dataclasses import MISSING, fields
from typing import Any

import pytest

from aie.core import JSON, canonical
from aie.errors import IntegrityError
from aie.records.admission import check_event, encoded
from aie.records.events import EVENTS, Event, RunFinished, decode, encode

KINDS = sorted(EVENTS.values(), key=lambda kind: kind.type)

_SAMPLES: dict[str, Any] = {
    "str": "words",
    "int": 7,
    "bool": True,
    "int | None": None,
    "JSON": {"deep": ["é", None, 1]},
    "list[str]": ["a"],
    "list[JSON]": [{"a": 1}],
    "dict[str, int]": {"cost": 1},
    "dict[str, str]": {"claim": "c"},
    "LabelsJSON": {"classes": [], "regions": None, "integrity": "trusted"},
}


def sample(kind: type[Event]) -> Event:
    """Return an event with a value in every field."""
    return kind(**{each.name: _value(each.type) for each in fields(kind)})


def _value(type_: Any) -> Any:
    name = getattr(type_, "__name__", str(type_))
    for known in (str(type_), name):
        if known in _SAMPLES:
            return _SAMPLES[known]
    return _SAMPLES["LabelsJSON" if "Labels" in name else "JSON"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_an_event_comes_back_as_it_was(kind: type[Event]) -> None:
    """Through the text of its body and of its payload."""
    event = sample(kind)
    body, payload = encode(event)
    assert decode(kind.type, json.loads(canonical(body)), json.loads(json.dumps(payload))) == event


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_private_fields_are_never_in_the_body(kind: type[Event]) -> None:
    """And public ones never in the payload."""
    private = {each.name for each in fields(kind) if each.metadata.get("private")}
    body, payload = encode(sample(kind))
    assert not private & body.keys()
    assert payload.keys() <= private
    assert body.keys() | private == {each.name for each in fields(kind)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_an_erased_event_reads_its_private_fields_as_none(kind: type[Event]) -> None:
    """Its public facts stay."""
    event = sample(kind)
    erased = decode(kind.type, encode(event)[0], None)
    for each in fields(kind):
        expected = None if each.metadata.get("private") else getattr(event, each.name)
        assert getattr(erased, each.name) == expected


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_private_fields_at_their_default_are_not_sealed(kind: type[Event]) -> None:
    """Sealing nothing costs nothing and comes back the same."""
    given = {
        each.name: _value(each.type)
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    }
    event = kind(**given)
    body, payload = encode(event)
    defaulted = {each.name for each in fields(kind) if each.metadata.get("private")} - given.keys()
    assert not defaulted & payload.keys()
    assert decode(kind.type, body, payload) == event


def test_false_is_not_mistaken_for_a_default() -> None:
    """An output of False, 0 or "" is an output."""
    outputs: tuple[JSON, ...] = (False, 0, "", [], {})
    for output in outputs:
        event = RunFinished(state="completed", epoch=1, spend={}, output=output)
        assert encode(event)[1] == {"output": output}


def test_an_unknown_type_is_said_to_be_of_a_newer_version() -> None:
    """Not guessed at."""
    with pytest.raises(IntegrityError, match=r"run\.teleported"):
        decode("run.teleported", {}, {})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_what_the_check_encoded_is_written_once_and_not_kept(kind: type[Event]) -> None:
    """The journal gets what was checked, whatever becomes of it meanwhile; no event grows by its text."""
    event, plain = sample(kind), encoded(sample(kind))
    check_event(event)
    assert event == sample(kind)
    assert encoded(event) == plain
    assert not hasattr(event, "encoding")
    assert encoded(event) == plain
