"""Steps that find fields: compiled from an extractor file, run on a text, mistakes told where they stand."""

import json
from pathlib import Path

import pytest

from aie.config import ExtractorSpec, Problems, Site, load_workspace, type_of
from aie.core import Cite, Labels, Value
from aie.errors import Failure, StepFailure
from aie.fields.prompt import TEMPLATE
from aie.layers import LAYERS, Compiled, Result

WORKFLOW = """\
workflow: letters
owner: letters@northgate.example
case: input.id
input: schemas/in.json
output: schemas/in.json
steps:
  terms: {extract: extractors/terms.yaml, from: input.text}
  decision: {review: people, of: [terms.values], unless: terms.accepted}
  one: {review: people, of: [terms.values.party]}
result: {id: input.id}
on: {"*": fail}
"""
MODELS = """\
models:
  reader:
    kind: chat
    provider: openai_compatible
    endpoint: https://models.example/v1
    model: reader-1
    local: true
    context_window: 4000
  sorter: {kind: text_classifier, train: letters/some, artefact: models/sorter.aie}
"""
INPUT = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
    "required": ["id", "text"],
}
FINDS = """\
finds:
  party: {type: name, many: true}
  term: {type: duration, accept: 0.9}
  law: {type: choice, choices: {Ohio: [], Utah: []}, required: false}
"""
RULES = """\
by:
  rules:
    party: [{find: company}]
    term: [{after: [for], within: 10 characters}]
    law: [{after: [laws of]}]
"""
TEXT = "Larkfield, Inc. and Quill Ltd. agree for two (2) years."


@pytest.fixture
def compiled(tmp_path: Path):
    """Compile the steps with an extractor file; what each became, and every problem with its file."""

    def run(extractor: str, **more: str) -> tuple[dict[str, Compiled | None], list[str]]:
        folder = tmp_path / "workflows" / "letters"
        for name, text in {
            "extractors/terms.yaml": extractor,
            "schemas/in.json": json.dumps(INPUT),
            "workflow.yaml": WORKFLOW,
            **more,
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (tmp_path / "aie.yaml").write_text("desks:\n  people: {answer_within: 2 days}\n")
        (tmp_path / "models.yaml").write_text(MODELS.replace("  sorter", "  #sorter"))
        workspace, problems = load_workspace(tmp_path), Problems()
        workflow, scope, made = workspace.workflows["letters"], {"input": type_of(INPUT)}, {}
        for name, step in workflow.steps.items():
            layer = type(step).__name__.removesuffix("Step").lower()
            site = Site(
                workspace=workspace, workflow=workflow, step=step, scope=scope, problems=problems, path=("steps", name)
            )
            made[name] = LAYERS[layer].compile(step, site)
            if made[name] is None:
                break
            scope[name] = made[name].output
        return made, [f"{each.file}:{each.line}:{each.col} {each.key} {each.code}" for each in problems]

    return run


@pytest.fixture
def find(compiled, world, task):
    """Run the compiled step on a text."""

    def run(text: object, extractor: str = FINDS + RULES) -> Result:
        step = compiled(extractor)[0]["terms"]
        world.components |= {f"{each.kind}:{each.name}": each.content for each in step.components}
        given = Value(data=text, ref="doc", labels=Labels(integrity="untrusted"))
        made = LAYERS["extract"].run(task(dict(step.config), **{"from": given}), world.tools())
        assert isinstance(made, Result)
        return made

    return run


def test_the_file_is_pinned_in_canonical_form(compiled):
    """Comments and defaults make no difference; the component reads back as the same extractor."""
    step = compiled(FINDS + RULES)[0]["terms"]
    other = compiled("# a remark\n" + FINDS.replace("many: true", "many: true, order: dmy") + RULES)[0]["terms"]
    (component,) = step.components
    assert (component.kind, component.name, step.conduct) == ("extractor", "extractors/terms.yaml", "slow")
    assert other.components[0].content == component.content
    assert ExtractorSpec.read(component.content).pinned() == component.content


def test_what_finds_changes_neither_the_form_nor_what_reads_it(compiled):
    """Only conduct, configuration and components differ."""
    rules = compiled(FINDS + RULES)[0]["terms"]
    prompt = compiled(FINDS + "by: {prompt: {model: reader}}\n")[0]["terms"]
    assert prompt.output == rules.output
    assert prompt.conduct == "external"
    assert {(each.kind, each.name) for each in prompt.components} >= {
        ("route", "reader"),
        ("extractor", "extractors/terms.yaml"),
    }
    assert next(each.content for each in prompt.components if each.kind == "prompt") == TEMPLATE
    assert Failure.PROVIDER_DOWN in prompt.failures


def test_values_quotes_and_cites(find):
    """Everything found stands where it says; what is not sure enough is named."""
    made = find(TEXT)
    assert made.data["values"] == {"party": ["Larkfield, Inc.", "Quill Ltd."], "term": "2 years", "law": None}
    assert (made.data["accepted"], made.data["missing"], made.data["doubtful"]) == (False, [], ["term"])
    assert Cite(path="/values/term", source="doc", start=41, end=54, quote="two (2) years") in made.cites
    for cite in made.cites:
        assert TEXT[cite.start : cite.end] == cite.quote


def test_pages_of_what_was_read_are_cited(find):
    """The value of a reading step is a source with pages."""
    pages = [{"number": 1, "start": 0, "end": 20}, {"number": 2, "start": 20, "end": len(TEXT)}]
    made = find({"text": TEXT, "pages": pages, "kind": "pdf", "name": "a.pdf"})
    assert [each.page for each in made.cites if each.path == "/values/term"] == [2]


def test_a_value_without_text_is_refused(find):
    """In a class of its own, never as an empty result."""
    with pytest.raises(StepFailure) as caught:
        find({"pages": []})
    assert caught.value.failure == Failure.INVALID_INPUT


@pytest.mark.parametrize(
    ("extractor", "problem"),
    [
        (FINDS + "by:\n  rules:\n    partie: [{find: company}]\n", "7:5 by.rules.partie unknown-field"),
        (FINDS + "by:\n  rules:\n    law: [{patern: x}]\n", "7:12 by.rules.law.0.patern unknown-key"),
        (FINDS + 'by:\n  rules:\n    law: [{pattern: "(a+)+b"}]\n', "7:21 by.rules.law.0.pattern bad-pattern"),
        (FINDS + "by:\n  rules:\n    law: [{in: top}]\n", "7:16 by.rules.law.0.in bad-value"),
        (FINDS + "by: {prompt: {model: raeder}}\n", "5:22 by.prompt.model unknown-model"),
        (FINDS + "by: {prompt: {model: reader, template: no.md}}\n", "5:40 by.prompt.template missing-file"),
        (FINDS + "by: {prompt: {model: reader}, rules: {law: [{find: line}]}}\n", "5:5 by bad-value"),
        (FINDS.replace("duration", "period") + RULES, "3:16 finds.term.type bad-value"),
        (FINDS + "by: {rules: [}\n", "5:14 by.rules yaml-syntax"),
    ],
)
def test_mistakes_are_told_where_they_stand_in_the_extractor_file(compiled, extractor, problem):
    """File, line, column and key, as in any file that people write."""
    made, problems = compiled(extractor)
    assert made["terms"] is None
    assert problems == [f"workflows/letters/extractors/terms.yaml:{problem}"]


def test_a_reviewer_sees_quote_page_confidence_and_doubt_of_each_field(compiled, find, world, task):
    """From `found` beside the values, for all of them or for one."""
    fields = find(TEXT).data
    made, problems = compiled(FINDS + RULES)
    assert not problems
    inputs = {"of__0": fields["values"], "found__0": fields["found"], "conflicts__0": [], "unless": False}
    shown = LAYERS["review"].run(task(dict(made["decision"].config), **inputs), world.tools()).shown["fields"]
    assert shown["term"]["why"] == "less sure than this field asks for"
    assert shown["term"]["places"] == [
        {
            "value": "2 years",
            "quote": "two (2) years",
            "page": None,
            "start": 41,
            "end": 54,
            "confidence": "0.8000",
            "accepted": False,
        }
    ]
    assert [each["quote"] for each in shown["party"]["places"]] == ["Larkfield, Inc.", "Quill Ltd."]
    assert (shown["law"]["why"], shown["law"]["places"]) == ("nothing was found", [])
    assert made["one"].inputs["found.0"] == "terms.found.party"
    one = {"of__0": fields["values"]["party"], "found__0": fields["found"]["party"], "conflicts__0": ["party"]}
    shown = LAYERS["review"].run(task(dict(made["one"].config), **one), world.tools()).shown["fields"]
    assert shown["party"]["why"] == "several parts of the document give different values"
