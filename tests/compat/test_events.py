"""Records of earlier versions: what was stored once is readable forever.

`events.jsonl` holds one stored event of each type for every form that it ever had. A line is never changed or removed;
a new type, or a type with a new field, adds a line: `python -m tests.compat.test_events` prints what is missing.
"""

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from aie.errors import IntegrityError
from aie.records.events import EVENTS, decode, encode
from tests.unit.records.test_events import sample

SAMPLES = Path(__file__).parent / "events.jsonl"


def stored() -> list[dict[str, Any]]:
    """Return the stored samples."""
    return [json.loads(line) for line in SAMPLES.read_text().splitlines()]


def _newest(type_: str) -> dict[str, Any]:
    body, payload = encode(sample(EVENTS[type_]))
    return {"type": type_, "body": body, "payload": payload}


def missing() -> list[dict[str, Any]]:
    """Return today's form of each type that no stored sample has."""
    known = {(line["type"], *sorted(line["body"]), *sorted(line["payload"])) for line in stored()}
    newest = [_newest(type_) for type_ in sorted(EVENTS)]
    return [line for line in newest if (line["type"], *sorted(line["body"]), *sorted(line["payload"])) not in known]


@pytest.mark.parametrize("line", stored(), ids=lambda line: line["type"])
def test_a_stored_event_is_readable(line: dict[str, Any]) -> None:
    """Every field that it had then reads back; fields that came later have their defaults."""
    event = decode(line["type"], line["body"], line["payload"])
    for name, value in (line["body"] | line["payload"]).items():
        assert getattr(event, name) == value
    assert {each.name for each in fields(event)} >= line["body"].keys() | line["payload"].keys()


def test_every_event_has_a_stored_sample_of_its_present_form() -> None:
    """So that the next change cannot forget this one."""
    assert missing() == []


def test_a_type_that_was_renamed_would_be_found() -> None:
    """Negative control: its samples no longer decode."""
    kind = EVENTS.pop("run.waiting")
    try:
        with pytest.raises(IntegrityError):
            decode("run.waiting", {}, {})
    finally:
        EVENTS["run.waiting"] = kind


if __name__ == "__main__":
    SAMPLES.touch()
    for each in missing():
        sys.stdout.write(json.dumps(each, sort_keys=True, ensure_ascii=False) + "\n")
