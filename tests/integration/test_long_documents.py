"""Long documents: sections, fields of each, one merged answer, with nothing but the workflow file."""

import json
from pathlib import Path

import pytest

from aie.app import Given, lock_release, open_app, runner
from aie.records.events import MapExpanded, RunFinished, StepFinished

WORKFLOW = """\
workflow: leases
owner: estates@larkfield.example
case: input.id
input: schemas/in.json
output: schemas/out.json
limits: {time: 120 s, steps: 2000}
steps:
  document: {extract: text, from: input.text}
  parts: {context: sections, from: document, size: 400, at_most: 1000}
  read:
    map:
      over: parts.sections
      as: part
      key: part.id
      at_most: 1000
      steps:
        terms: {extract: extractors/terms.yaml, from: part}
  terms: {extract: merged, of: read, fields: extractors/terms.yaml, from: document}
result: {rent: terms.values.rent, ends: terms.values.ends, conflicts: terms.conflicts, parts: size(parts.sections)}
on: {"*": fail}
"""
EXTRACTOR = """\
finds:
  rent: {type: money}
  ends: {type: date, required: false}
by:
  rules:
    rent: [{after: [yearly rent of]}]
    ends: [{after: [ends on]}]
"""
IN = {
    "type": "object",
    "required": ["id", "text"],
    "additionalProperties": False,
    "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
}
OUT = {
    "type": "object",
    "required": ["conflicts", "parts"],
    "properties": {
        "rent": {"type": ["string", "null"], "format": "money"},
        "ends": {"type": ["string", "null"], "format": "date"},
        "conflicts": {"type": "array", "items": {"type": "string"}},
        "parts": {"type": "integer"},
    },
}
FILLER = "The parties keep the common rooms in good order and tell each other of damage without delay. "


def lease(sections, facts):
    """A lease of so many numbered sections; `facts` are sentences by section. Invented."""
    return "\n\n".join(
        f"{number}. Duties Number {number}.\n{FILLER * 2}{facts.get(number, '')}" for number in range(1, sections + 1)
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workflows" / "leases"
    for place in ("schemas", "extractors"):
        (folder / place).mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text("store: sqlite:///.aie/aie.db\nenvironments: [production]\n")
    (folder / "workflow.yaml").write_text(WORKFLOW)
    (folder / "extractors" / "terms.yaml").write_text(EXTRACTOR)
    (folder / "schemas" / "in.json").write_text(json.dumps(IN))
    (folder / "schemas" / "out.json").write_text(json.dumps(OUT))
    return tmp_path


def run(root, text):
    """Return the events of a durable run on a text."""
    with open_app(root) as app:
        release = lock_release(app, "leases").release.id
        with runner(app) as here:
            made = here.submit(Given(name="lease", folder=root, data={"id": "l-1", "text": text}), release)
            here.wait(made.run, timeout=120)
        return [each.event for each in app.store.read(made.run)]


def one(events, kind, path):
    (found,) = [each for each in events if isinstance(each, kind) and each.path == path]
    return found


@pytest.mark.slow
def test_a_fact_of_the_last_of_300_sections_is_found_and_cited_in_the_document(root):
    """The map is bounded, each part is small, and the place is the document's."""
    text = lease(300, {300: "The lease ends on 31 December 2031 for a yearly rent of 12,500.00 USD."})
    events = run(root, text)
    output = next(each.output for each in events if isinstance(each, RunFinished))
    assert output["rent"] == "12500.00 USD"
    assert output["ends"] == "2031-12-31"
    assert output["conflicts"] == []
    assert output["parts"] >= 300
    items = one(events, MapExpanded, "read").items
    assert all(len(item["text"]) <= 400 and text[item["start"] : item["end"]] == item["text"] for item in items)
    assert items[-1]["heading"] == "300. Duties Number 300"
    merged, document = one(events, StepFinished, "terms"), one(events, StepFinished, "document")
    assert {cite["source"] for cite in merged.cites} == {document.ref}
    assert all(text[cite["start"] : cite["end"]] == cite["quote"] for cite in merged.cites)
    assert {cite["quote"] for cite in merged.cites} == {"31 December 2031", "12,500.00 USD"}


def test_parts_that_contradict_each_other_keep_both_values(root):
    """The field is named, and the other value stands beside the chosen one."""
    facts = {2: "It is let for a yearly rent of 100.00 USD.", 5: "It is let for a yearly rent of 200.00 USD."}
    events = run(root, lease(6, facts))
    output = next(each.output for each in events if isinstance(each, RunFinished))
    assert output["conflicts"] == ["rent"]
    found = one(events, StepFinished, "terms").output["found"]["rent"]
    assert {found["value"], *(each["value"] for each in found["others"])} == {"100.00 USD", "200.00 USD"}


def test_more_sections_than_allowed_are_refused_by_name(root):
    """Rather than a run without bounds."""
    path = root / "workflows" / "leases" / "workflow.yaml"
    path.write_text(path.read_text().replace("size: 400, at_most: 1000", "size: 400, at_most: 5"))
    ended = next(each for each in run(root, lease(40, {})) if isinstance(each, RunFinished))
    assert (ended.state, ended.failure, ended.path) == ("failed", "too_large", "parts")
