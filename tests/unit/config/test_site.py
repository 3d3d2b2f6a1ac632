"""Where steps are compiled: places, files, names."""

from pathlib import Path

import pytest

from aie.config import BoolType, IntType, MoneyType, ObjectType, Problems, Site, TextType, apply, load_workspace
from aie.errors import Problem

WORKFLOW = """\
workflow: w
owner: o
case: input.id
input: schemas/in.json
output: schemas/in.json
steps:
  ask:
    model: reader
    with: {text: "input.id + 'x'", folded: input.amuont}
    prompt: prompts/ask.md
    if: input.amount < 500 && true
  tall:
    check: rules
    of: input
    rules:
      long: >-
        input.id == 'a' ||
        input.di == 'b'
result: {id: input.id}
"""
INPUT = ObjectType({"id": TextType(), "amount": MoneyType()}, frozenset({"id", "amount"}))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The step `ask` of a small workspace."""
    folder = tmp_path / "workflows" / "w"
    (folder / "prompts").mkdir(parents=True)
    (folder / "schemas").mkdir()
    (tmp_path / "aie.yaml").write_text("desks: {people: {}}\n")
    (folder / "workflow.yaml").write_text(WORKFLOW)
    (folder / "prompts" / "ask.md").write_text("Hello\n{{ txet }}\n")
    (folder / "schemas" / "in.json").write_text('{\n "type": "object",\n "properties": {"id": {"type": "strng"}}\n}')
    workspace = load_workspace(tmp_path)
    spec = workspace.workflows["w"]
    return Site(
        workspace=workspace,
        workflow=spec,
        step=None,
        scope={"input": INPUT},
        problems=Problems(),
        path=("steps", "ask"),
    )


def only(site: Site) -> Problem:
    (problem,) = site.problems
    return problem


def place(site: Site) -> tuple[str, int, int]:
    problem = only(site)
    return problem.code, problem.line, problem.col


def mended(site: Site) -> str:
    edit = only(site).edit
    assert edit is not None
    return apply((site.workspace.root / edit.file).read_text(), edit)


def test_an_expression_that_is_sound_leaves_its_program(site: Site) -> None:
    """By its text, for the plan."""
    assert site.expression("with.text", "input.id + 'x'", TextType()) == TextType()
    assert site.expression("x", "input.amount > money('1.00 USD')") == BoolType()
    assert site.programs["input.amount > money('1.00 USD')"] == 'money_gt(input.amount, "1.00 USD")'
    assert len(site.problems) == 0


def test_a_mistake_in_an_expression_has_its_column_in_the_file(site: Site) -> None:
    """Within quotes as without; the edit changes those characters only."""
    assert site.expression("with.folded", "input.amuont") is None
    assert place(site) == ("unknown-field", 9, 50)
    assert "folded: input.amount}" in mended(site)


def test_an_expression_over_several_lines_is_told_where_it_begins(site: Site) -> None:
    """Its text no longer stands in the file as it is."""
    site.path = ("steps", "tall")
    assert site.expression("rules.long", "input.id == 'a' || input.di == 'b'") is None
    assert place(site)[:2] == ("unknown-field", 16)
    assert only(site).edit is None


def test_a_type_that_is_not_the_one_wanted_is_told(site: Site) -> None:
    """With what would be."""
    assert site.expression("with.text", "input.id + 'x'", IntType()) is None
    assert place(site) == ("cel-type", 9, 19)


def test_a_file_is_pinned_by_its_path_in_the_workspace(site: Site) -> None:
    """However it is written."""
    assert site.file("prompt", "../w/prompts/ask.md") == b"Hello\n{{ txet }}\n"
    assert site.file("x", "aie.yaml", base="workspace") is not None
    assert sorted(site.files) == ["aie.yaml", "workflows/w/prompts/ask.md"]


def test_a_missing_file_is_told_with_its_neighbour(site: Site) -> None:
    """The edit names it."""
    assert site.file("prompt", "prompts/aks.md") is None
    assert place(site) == ("missing-file", 10, 13)
    assert "prompt: prompts/ask.md" in mended(site)


def test_a_mistake_in_a_template_is_told_in_the_template(site: Site) -> None:
    """Not in the workflow file."""
    assert site.template("prompt", "prompts/ask.md", {"text": TextType()}) is None
    assert place(site) == ("unknown-slot", 2, 4)
    assert mended(site) == "Hello\n{{ text }}\n"


def test_a_slot_that_a_template_does_not_use_is_told_at_the_step(site: Site) -> None:
    """With the form that a slot has: braces that are single are plain text."""
    slots = {"txet": TextType(), "text": TextType()}
    assert site.template("prompt", "prompts/ask.md", slots) is None
    (problem,) = site.problems
    assert (problem.code, problem.file) == ("unused-slot", "workflows/w/workflow.yaml")
    assert problem.key.endswith("with.text")
    assert problem.message == "prompts/ask.md does not use `text`"
    assert problem.hint == "write `{{ text }}` where it belongs; `{text}` is plain text"
    assert site.template("prompt", "prompts/ask.md", slots, read_by_others=["text"]) is not None


def test_a_mistake_in_a_schema_is_told_in_the_schema(site: Site) -> None:
    """At the keyword."""
    assert site.schema("x", "schemas/in.json") is None
    assert place(site) == ("bad-schema", 3, 32)
    assert '"string"' in mended(site)


def test_names_of_the_workspace_are_found_or_the_near_one_is_told(site: Site) -> None:
    """Models, desks and receivers alike."""
    assert site.desk("x", "people") is not None
    assert site.desk("model", "poeple") is None
    assert place(site) == ("unknown-desk", 8, 12)
    assert "did you mean `people`?" in only(site).hint


def test_a_problem_of_the_whole_step_stands_at_its_name(site: Site) -> None:
    """And a key can be taken out."""
    site.problem("x", "", "m", edit=site.removal("if"))
    assert place(site) == ("x", 7, 3)
    assert "if:" not in mended(site)
