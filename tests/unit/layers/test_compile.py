"""Compiling steps: what each layer makes of what people write, and where it reports what cannot be."""

import json
from pathlib import Path

import pytest

from aie.config import IntType, ObjectType, Problems, Site, TextType, fits, load_workspace, schema_of, type_of
from aie.core import canonical
from aie.errors import Failure
from aie.layers import LAYERS, Compiled

SETTINGS = """\
desks:
  people: {answer_within: 2 days}
receivers:
  drop: {kind: file, folder: out, identity: [claim]}
  hook: {kind: http, url: https://receiver.example/in, semantics: at_most_once, secret: env:HOOK_KEY}
  slow: {kind: http, url: https://receiver.example/in, semantics: idempotent, timeout: 5 min}
"""
WORKFLOW = """\
workflow: claims
owner: claims@northgate.example
case: input.claim
input: schemas/in.json
output: schemas/in.json
steps:
{steps}
result: {{claim: input.claim}}
on: {{"*": fail}}
"""
INPUT = {
    "type": "object",
    "properties": {
        "claim": {"type": "string"},
        "amount": {"type": "string", "format": "money"},
        "file": {"type": "string", "format": "document"},
        "maybe": {"type": ["string", "null"], "format": "document"},
        "parts": {"type": "array", "items": {"type": "string"}},
        "files": {"type": "array", "items": {"type": "string", "format": "document"}},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"text": {"type": "string"}, "box": {"type": "array", "items": {"type": "integer"}}},
                "required": ["text", "box"],
            },
        },
    },
    "required": ["claim", "amount", "file", "maybe", "parts", "files", "lines"],
}
GUESS = ObjectType({"label": TextType(("a", "b")), "confidence": TextType(), "n": IntType()}, frozenset({"label", "n"}))


@pytest.fixture
def compile_steps(tmp_path: Path):
    """Compile steps in the order of the file; returns what each became and every problem."""

    def run(steps: str) -> tuple[dict[str, Compiled | None], list[str]]:
        folder = tmp_path / "workflows" / "claims"
        (folder / "schemas").mkdir(parents=True, exist_ok=True)
        (tmp_path / "aie.yaml").write_text(SETTINGS)
        (tmp_path / "models.yaml").write_text("models: {}\n")
        (folder / "schemas" / "in.json").write_text(json.dumps(INPUT))
        (folder / "workflow.yaml").write_text(WORKFLOW.format(steps=steps.rstrip()))
        workspace = load_workspace(tmp_path)
        workflow = workspace.workflows["claims"]
        problems = Problems()
        scope = {"input": type_of(INPUT), "guess": GUESS}
        made = {}
        for name, step in workflow.steps.items():
            site = Site(
                workspace=workspace,
                workflow=workflow,
                step=step,
                scope=dict(scope),
                problems=problems,
                path=("steps", name),
            )
            layer = type(step).__name__.removesuffix("Step").lower()
            made[name] = LAYERS[layer].compile(step, site)
            if made[name] is not None:
                scope[name] = made[name].output
                assert set(made[name].inputs.values()) <= site.programs.keys()
        return made, [f"{each.line}:{each.key}:{each.code}" for each in problems]

    return run


def test_every_layer_compiles_what_can_be(compile_steps):
    """Conduct, inputs and pinned configuration; all of it has canonical JSON."""
    made, problems = compile_steps("""\
  document: {extract: document, from: input.file}
  note:     {extract: text, from: input.claim}
  passages: {context: passages, from: document, query: "loss date", fit: 3000 tokens}
  agrees:   {check: rules, of: input, rules: {named: document.text.contains(input.claim)}}
  shaped:   {check: schema, of: input, schema: schemas/in.json}
  decision: {review: people, of: [guess.label, input.amount], show: [passages.text], unless: agrees.passed}
  pay:      {act: drop, with: {claim: input.claim, amount: decision.amount}}
  tell:     {act: hook, with: {claim: input.claim}}
""")
    assert not problems
    assert {name: each.conduct for name, each in made.items()} == {
        "document": "slow", "note": "slow", "passages": "pure", "agrees": "pure", "shaped": "pure",
        "decision": "human", "pay": "effect", "tell": "effect",
    }  # fmt: skip
    for each in made.values():
        canonical(each.config)
        assert each.failures


def test_what_reads_says_what_it_gives(compile_steps):
    """A packet is a list of documents, each as a single one would be; lines keep their boxes."""
    made, problems = compile_steps("""\
  one:   {extract: document, from: input.file, languages: [eng, deu]}
  whole: {extract: packet, from: input.file, starts: ["^Invoice"]}
  all:   {extract: packet, from: input.files}
  seen:  {extract: lines, from: input.lines}
""")
    assert not problems
    document = made["all"].output.fields["documents"].of
    assert {"text", "pages", "parts", "kind", "name"} == document.required
    assert document.required < made["one"].output.required
    assert set(made["seen"].output.fields["lines"].of.fields) == {"start", "end", "page", "box"}
    assert made["whole"].config == {"kind": "packet", "starts": ["^Invoice"]}
    assert made["one"].config == {"kind": "document", "languages": ["eng", "deu"]}
    assert Failure.ENCRYPTED not in made["seen"].failures


def test_a_review_gives_the_fields_of_what_it_decides(compile_steps):
    """A path gives its last part, an object all its fields; how sure the model was is shown beside them."""
    made, problems = compile_steps("  decision: {review: people, of: [guess.label, input.amount]}\n")
    decision = made["decision"]
    assert not problems
    assert set(decision.output.fields) == {"label", "amount"}
    assert decision.config["answer"] == schema_of(decision.output)
    assert decision.config["answer"]["properties"]["label"]["enum"] == ["a", "b"]
    assert decision.inputs["confidence.0"] == "guess.confidence"
    assert decision.inputs["evidence.guess"] == "guess"
    assert decision.config["due_in"] == 2 * 86_400_000_000
    whole, problems = compile_steps("  decision: {review: people, of: [guess]}\n")
    assert not problems
    assert set(whole["decision"].output.fields) == {"label", "n"}
    assert whole["decision"].inputs["confidence.0"] == "guess.confidence"


def test_a_passage_type_says_that_its_page_may_be_missing(compile_steps):
    """Plain text has no pages: a step that needs a number is told so before any run."""
    made, _ = compile_steps("""\
  document: {extract: document, from: input.file}
  passages: {context: passages, from: document, query: "x", fit: 300}
""")
    page = made["passages"].output.fields["passages"].of.fields["page"]
    assert fits(page, IntType()) is not None


def test_where_a_receiver_is_does_not_change_what_is_pinned(compile_steps):
    """An address is live, its semantics are pinned."""
    made, _ = compile_steps("  tell: {act: hook, with: {claim: input.claim}}\n")
    (component,) = made["tell"].components
    pinned = {"kind": "http", "semantics": "at_most_once", "identity": [], "sensitive": []}
    assert json.loads(component.content) == pinned
    facts = {
        "url": "https://receiver.example/in",
        "secret": "env:HOOK_KEY",
        "timeout": 10_000_000,
        "retries": 5,
        "allow": [],
        "clearance": {"classes": [], "regions": None},
    }
    assert component.live == facts


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("  s: {extract: document, from: input.claim}", "7:steps.s.from:bad-type"),
        ("  s: {extract: document, from: input.maybe}", "7:steps.s.from:bad-type"),
        ("  s: {extract: text, from: input.parts}", "7:steps.s.from:bad-type"),
        ("  s: {extract: document, from: input.fil}", "7:steps.s.from:"),
        ("  s: {context: passages, from: input.parts, query: x, fit: 9}", "7:steps.s.from:bad-type"),
        ("  s: {context: passages, from: input.claim, fit: 9}", "7:steps.s:missing-key"),
        ("  s: {context: passages, from: [input.claim, input.maybe], query: x, fit: 9}", "7:steps.s.from:bad-type"),
        ("  s: {context: sections, from: input.claim, fit: 9}", "7:steps.s.fit:unused-key"),
        ("  s: {context: recipes/none.yaml, from: input.claim, fit: 9}", "7:steps.s.context:missing-file"),
        ("  s: {extract: document, from: input.files}", "7:steps.s.from:bad-type"),
        ("  s: {extract: packet, from: input.parts}", "7:steps.s.from:bad-type"),
        ("  s: {extract: packet, from: input.files, starts: ['(']}", "7:steps.s.starts.0:bad-pattern"),
        ("  s: {extract: packet, from: input.files, starts: ['(?=x)']}", "7:steps.s.starts.0:bad-pattern"),
        ("  s: {extract: lines, from: input.parts}", "7:steps.s.from:bad-type"),
        ("  s: {check: rules, of: input}", "7:steps.s:missing-key"),
        ("  s: {check: schema, of: input}", "7:steps.s:missing-key"),
        ("  s: {check: schema, of: input, schema: schemas/im.json}", "7:steps.s.schema:missing-file"),
        ("  s: {check: rules, of: input, rules: {a: input.claim}}", "7:steps.s.rules.a:"),
        ("  s: {check: rules, of: input, rules: {a: 'true'}, schema: schemas/in.json}", "7:steps.s.schema:unused-key"),
        ("  s: {review: peple, of: [input.claim]}", "7:steps.s.review:unknown-desk"),
        ("  s: {review: people, of: [input.claim, input]}", "7:steps.s.of.1:duplicate-field"),
        ("  s: {review: people, of: ['input.parts[0]']}", "7:steps.s.of.0:no-field"),
        ("  s: {review: people, of: [input.claim], unless: input.claim}", "7:steps.s.unless:"),
        ("  s: {act: dorp, with: {claim: input.claim}}", "7:steps.s.act:unknown-receiver"),
        ("  s: {act: drop, with: {amount: input.amount}}", "7:steps.s.with:missing-field"),
        ("  s: {act: slow, with: {amount: input.amount}}", "7:steps.s.act:too-long"),
    ],
)
def test_a_mistake_is_reported_at_its_key_and_stops_the_step(compile_steps, steps, problem):
    """Line, key and kind; the step compiles to nothing."""
    made, problems = compile_steps(steps)
    assert made["s"] is None
    assert any(each.startswith(problem) for each in problems), problems
