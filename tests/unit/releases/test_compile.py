"""From a workspace to a release: sound files give one id, every mistake gives its place."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from aie.config import apply, load_workspace
from aie.errors import ConfigError, Failure, NotFound, Problem
from aie.releases import Handler, Release, check, compile_release
from tests.unit.releases.workspaces import CLAIMS, write

FLOW = "workflows/claims/workflow.yaml"
FIELDS = "workflows/claims/schemas/fields.json"


def _with(path: str, old: str, new: str) -> dict[str, str]:
    assert old in CLAIMS[path], f"{old!r} is not in {path}"
    return {**CLAIMS, path: CLAIMS[path].replace(old, new, 1)}


def _release(root: Path, files: Mapping[str, str | bytes] = CLAIMS) -> Release:
    return compile_release(load_workspace(write(root, files)), "claims")


def _problems(root: Path, files: Mapping[str, str | bytes]) -> tuple[Problem, ...]:
    return check(write(root, files))


def _line(files: Mapping[str, str], start: str) -> int:
    lines = files[FLOW].split("\n")
    return next(i for i, line in enumerate(lines, 1) if (line if start[0] == " " else line.strip()).startswith(start))


def test_a_sound_workspace_has_no_problems(tmp_path: Path) -> None:
    """The workspace that every test below breaks in one place."""
    assert _problems(tmp_path, CLAIMS) == ()


def test_the_plan_has_every_step_after_what_it_reads(tmp_path: Path) -> None:
    """Edges are the references of expressions; a map's body sees its siblings and what stands around it."""
    plan = _release(tmp_path).plan
    assert [(node.name, node.layer, node.needs) for node in plan.walk()] == [
        ("text", "extract", ()),
        ("fields", "model", ("text",)),
        ("parts", "map", ("fields",)),
        ("priced", "check", ("fields",)),
        ("desk", "review", ("fields",)),
        ("pay", "act", ("desk",)),
    ]


def test_steps_may_be_written_in_any_order(tmp_path: Path) -> None:
    """The order of the file is for readers; what needs what decides."""
    lines = CLAIMS[FLOW].split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("  text:"))
    moved = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    plan = _release(tmp_path, {**CLAIMS, FLOW: "\n".join(moved)}).plan
    assert [node.name for node in plan.nodes][:2] == ["text", "fields"]


def test_only_what_a_workflow_uses_is_locked(tmp_path: Path) -> None:
    """Files by path, the layers used by version."""
    release = _release(tmp_path)
    assert set(release.files) == {path for path in CLAIMS if path.startswith("workflows/")}
    assert set(release.runtime) == {"act", "check", "extract", "model", "review"}
    assert {"schema:input", "schema:output"} <= release.components.keys()


def test_two_copies_in_two_folders_have_one_id(tmp_path: Path) -> None:
    """Nothing of the machine is in a release."""
    assert _release(tmp_path / "a") == _release(tmp_path / "b")


@pytest.mark.parametrize("path", [path for path in CLAIMS if path.startswith("workflows/")])
def test_a_byte_of_a_file_that_is_used_changes_the_id(tmp_path: Path, path: str) -> None:
    """Also where it changes no meaning: a final blank line."""
    changed = _release(tmp_path / "b", {**CLAIMS, path: CLAIMS[path] + "\n"})
    assert changed.id != _release(tmp_path / "a").id


def test_line_ends_are_bytes_too(tmp_path: Path) -> None:
    """Files are locked as they are, not as they were read."""
    other = {**CLAIMS, FLOW: CLAIMS[FLOW].replace("\n", "\r\n")}
    assert _release(tmp_path / "b", other).id != _release(tmp_path / "a").id


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("models.yaml", "reader-2026-05", "reader-2026-06"),
        ("models.yaml", "context_window: 8000", "context_window: 9000"),
        ("aie.yaml", "kind: file, folder: out", "kind: file, folder: out, identity: [policy]"),
    ],
)
def test_what_changes_an_answer_is_pinned(tmp_path: Path, path: str, old: str, new: str) -> None:
    """The pinned part of a model, a receiver or a desk is a component."""
    assert _release(tmp_path / "b", _with(path, old, new)).id != _release(tmp_path / "a").id


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("models.yaml", "http://localhost:8000/v1", "http://localhost:9000/v1"),
        ("models.yaml", "models:", "# ours\nmodels:"),
        ("models.yaml", "    context_window", "    owner: someone\n    context_window"),
        ("aie.yaml", "folder: out", "folder: elsewhere"),
        ("aie.yaml", "desks:", "capacity: 8\ndesks:"),
    ],
)
def test_what_only_permits_or_costs_stays_live(tmp_path: Path, path: str, old: str, new: str) -> None:
    """Endpoint, owner, folder and workers may change without a release."""
    assert _release(tmp_path / "b", _with(path, old, new)).id == _release(tmp_path / "a").id


def test_handlers_come_from_the_step_then_the_workflow_then_the_engine(tmp_path: Path) -> None:
    """Each class a step may raise has its handler in the plan."""
    own = _with(FLOW, "returns: schemas/fields.json}", "returns: schemas/fields.json, on: {timeout: retry 2}}")
    nodes = {node.name: node for node in _release(tmp_path, own).plan.walk()}
    assert nodes["fields"].handlers[Failure.TIMEOUT] == Handler(kind="retry", times=2, then=Handler(kind="fail"))
    assert nodes["fields"].handlers[Failure.INTERNAL] == Handler(kind="fail")


def test_a_default_of_null_makes_the_value_nullable(tmp_path: Path) -> None:
    """Who reads it must allow for that, each at its place."""
    files = _with(
        FLOW, "returns: schemas/fields.json}", "returns: schemas/fields.json, on: {timeout: {default: null}}}"
    )
    problems = _problems(tmp_path, files)
    told = {problem.key for problem in problems if "may be null" in problem.message}
    assert told == {"steps.parts.map.steps.priced.rules.known", "steps.desk.unless"}


def test_an_unknown_workflow_is_not_found(tmp_path: Path) -> None:
    """With the name that was probably meant."""
    with pytest.raises(NotFound) as caught:
        compile_release(load_workspace(write(tmp_path, CLAIMS)), "claim")
    assert caught.value.hints == ("did you mean `claims`?",)


@pytest.mark.parametrize(
    ("old", "new", "code", "at"),
    [
        ("from: input.note", "from: desk.policy", "cycle", "text:"),
        ('unless: "fields.amount', 'unless: "desk.amount', "cycle", "desk:"),
        ("with: {note: text.text}", "with: {note: txt.text}", "unknown-name", "fields:"),
        ("with: {note: text.text}", "with: {note: text.text, id: input.claim_id}", "unused-slot", "fields:"),
        ('on: {"*": fail}', "on: {}", "unhandled-failure", "fields:"),
        ("priced: {check", "key: {check", "name-taken", "        key:"),
        ("  pay: {act: payments", "  pay: {on: {receiver_down: {default: 1}}, act: payments", "bad-default", "pay:"),
        ('on: {"*": fail}', 'on: {"*": fail, timeout: {default: {policy: x}}}', "bad-default", "on:"),
        ("as: part", "as: fields", "name-taken", "as:"),
        ("  parts:", "  input:", "name-taken", "  input:"),
        ("over: input.parts", "over: input.note", "bad-type", "over:"),
        ("case: input.claim_id", "case: input.parts", "bad-type", "case:"),
        ("amount: desk.amount}\non", "amount: desk.policy}\non", "bad-type", "result:"),
        ("result: {policy: desk.policy, ", "result: {", "missing-field", "result:"),
        ("result: {policy:", "result: {polcy:", "unknown-field", "result:"),
        (
            "limits: {cost: 0.10 USD, tokens: 40000, time: 60 s, steps: 40, model_calls: 8}\n",
            "",
            "unbounded",
            "workflow:",
        ),
        ("output: schemas/claim_out.json", "output: schemas/claim_uot.json", "missing-file", "output:"),
    ],
)
def test_each_mistake_is_told_at_its_line(tmp_path: Path, old: str, new: str, code: str, at: str) -> None:
    """The place is that of the change, whatever else follows from it."""
    files = _with(FLOW, old, new)
    found = {(problem.code, problem.line) for problem in _problems(tmp_path, files)}
    assert (code, _line(files, at)) in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('unless: "fields.amount', 'unless: "desk.amount'),
        ('on: {"*": fail}\n', ""),
        ('on: {"*": fail}', "on: {blank: fail}"),
        ('on: {"*": fail}', "on: {}"),
        ('on: {"*": fail}', "on:\n  blank: fail"),
        ("limits: {cost: 0.10 USD, tokens: 40000, time: 60 s, steps: 40, model_calls: 8}\n", ""),
        ("result: {policy:", "result: {polcy:"),
    ],
)
def test_applying_the_edits_mends_the_workspace(tmp_path: Path, old: str, new: str) -> None:
    """Edits are complete: applied one by one they leave nothing to complain about."""
    files: dict[str, str] = _with(FLOW, old, new)
    for attempt in range(8):
        problems = _problems(tmp_path / str(attempt), files)
        if not problems:
            break
        edit = next(problem.edit for problem in problems if problem.edit is not None)
        files[edit.file] = apply(files[edit.file], edit)
    assert problems == ()


def test_a_field_that_a_later_step_needs_cannot_be_dropped(tmp_path: Path) -> None:
    """The schema of the answer loses `amount`: everything that reads it is named."""
    schema = json.loads(CLAIMS[FIELDS])
    schema["properties"]["total"] = schema["properties"].pop("amount")
    schema["required"] = ["policy", "total"]
    always = _with(FLOW, """, unless: "fields.amount < money('100.00 USD')\"""", "")
    problems = _problems(tmp_path, {**always, FIELDS: json.dumps(schema)})
    assert {problem.key for problem in problems} == {
        "steps.pay.with.amount",
        "steps.pay.if",
        "result.amount",
    }
    assert all("`amount`" in problem.message for problem in problems)


def test_a_step_inside_a_map_is_not_visible_outside(tmp_path: Path) -> None:
    """Its value exists once for each item."""
    files = _with(FLOW, "of: [fields]", "of: [priced]")
    assert [problem.code for problem in _problems(tmp_path, files)][:1] == ["unknown-name"]


def test_a_map_inside_a_map_is_refused(tmp_path: Path) -> None:
    """Paths of nodes have one key."""
    inner = "priced: {map: {over: part.id, steps: {x: {check: rules, of: item, rules: {y: 'true'}}}}}"
    files = _with(FLOW, "priced: {check: rules, of: part, rules: {known: part.id != fields.policy}}", inner)
    assert [problem.code for problem in _problems(tmp_path, files)] == ["nested-map"]


def test_a_map_with_a_key_says_what_follows_when_keys_name_nothing(tmp_path: Path) -> None:
    """Two items of one key are a failure of the map: no night is the first to learn of it."""
    told = [problem.message for problem in _problems(tmp_path, _with(FLOW, '"*": fail', "check_failed: fail"))]
    assert any("`invalid_input`" in message for message in told), told


def test_every_mistake_of_every_workflow_is_told_at_once(tmp_path: Path) -> None:
    """Two workflows, three mistakes, one list."""
    broken = (
        CLAIMS[FLOW].replace("from: input.note", "from: input.nte").replace("over: input.parts", "over: input.note")
    )
    files: dict[str, str] = {**CLAIMS, FLOW: broken}
    for path, content in CLAIMS.items():
        if path.startswith("workflows/"):
            files[path.replace("claims/", "other/", 1)] = content.replace("workflow: claims", "workflow: other")
    other = "workflows/other/workflow.yaml"
    files[other] = files[other].replace("case: input.claim_id", "case: input.parts")
    found = [(problem.file, problem.line) for problem in _problems(tmp_path, files)]
    assert (FLOW, _line(files, "text:")) in found
    assert (FLOW, _line(files, "over:")) in found
    assert other in {file for file, _ in found}
    with pytest.raises(ConfigError):
        compile_release(load_workspace(tmp_path), "claims")


def test_an_unknown_key_does_not_hide_the_mistakes_below_it(tmp_path: Path) -> None:
    """Everything is told at once: mending one mistake never uncovers the next."""
    text = CLAIMS[FLOW].replace("\nsteps:", "\nunheard: of\nsteps:", 1).replace("desk.", "dsek.", 1)
    found = {each.code for each in _problems(tmp_path, {**CLAIMS, FLOW: text})}
    assert "unknown-key" in found
    assert len(found) > 1
