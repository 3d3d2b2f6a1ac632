"""What runs for an expression depends on where it stands."""

from pathlib import Path

from aie.config import load_workspace
from aie.releases import compile_release

SCHEMA = """\
{"type": "object", "required": ["id"],
 "properties": {"id": {"type": "string"}, "note": {"type": "string"}}, "additionalProperties": false}
"""
WORKFLOW = """\
workflow: notes
owner: team@larkfield.example
case: input.id
search: {note: input.note}
input: in.json
output: in.json
steps:
  keep: {act: box, with: {id: input.id, note: input.note}, if: has(input.note)}
result: {id: input.id}
on: {"*": fail}
"""


def test_what_a_condition_tells_counts_for_its_own_step_only(tmp_path: Path) -> None:
    """The search attribute of a run without a note is null, not a failure."""
    folder = tmp_path / "workflows" / "notes"
    folder.mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text("receivers: {box: {kind: file, folder: out}}\n")
    (folder / "in.json").write_text(SCHEMA)
    (folder / "workflow.yaml").write_text(WORKFLOW)
    plan = compile_release(load_workspace(tmp_path), "notes").lock["behaviour"]["plan"]
    assert plan["search"]["note"] == "(has(input.note) ? input.note : null)"
    assert plan["nodes"][0]["inputs"]["note"] == "input.note"


NESTED = """\
workflow: notes
owner: team@larkfield.example
case: input.id
input: in.json
output: out.json
steps:
  each:
    if: input.note != 'none'
    map:
      over: input.parts
      as: part
      at_most: 9
      steps:
        keep: {act: box, with: {part: part, noted: input.note != 'none'}, if: has(input.note)}
result: {id: input.id}
on: {"*": fail}
"""
NESTED_SCHEMA = """\
{"type": "object", "required": ["id", "parts"], "additionalProperties": false,
 "properties": {"id": {"type": "string"}, "note": {"type": "string"},
                "parts": {"type": "array", "items": {"type": "string"}}}}
"""


def test_one_text_in_two_steps_is_two_programs(tmp_path: Path) -> None:
    """What the body of a map knows of a text does not run as the condition of the map."""
    folder = tmp_path / "workflows" / "notes"
    folder.mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text("receivers: {box: {kind: file, folder: out}}\n")
    (folder / "in.json").write_text(NESTED_SCHEMA)
    (folder / "out.json").write_text(SCHEMA)
    (folder / "workflow.yaml").write_text(NESTED)
    (each,) = compile_release(load_workspace(tmp_path), "notes").lock["behaviour"]["plan"]["nodes"]
    assert each["if"] == "(has(input.note) ? input.note : null) != 'none'"
    assert each["map"]["nodes"][0]["inputs"]["noted"] == "input.note != 'none'"
