"""Workspaces as people write them, and the mistakes they make."""

import os
from pathlib import Path

import pytest

from aie.config import MapStep, ModelStep, Workspace, apply, load_workspace
from aie.errors import ConfigError, Problem

SETTINGS = """\
desks:
  claims-desk: {reviewers: [ana], answer_within: 2 days}
receivers:
  payments: {kind: http, url: "https://pay.example/x", semantics: idempotent, secret: env:PAY}
"""
MODELS = """\
models:
  desk: {kind: text_classifier, train: notices, artefact: models/desk.aie, threshold: {error_rate: 2%, on: val}}
"""
WORKFLOW = """\
workflow: claims
owner: team@larkfield.example
case: input.id
limits: {cost: 0.10 USD, tokens: 4000, time: 60 s}
input: schemas/in.json
output: schemas/out.json
steps:
  desk: {model: desk, with: {text: input.text}}
  lines:
    map: {over: input.lines, as: line, steps: {each: {check: rules, of: line, rules: {some: line.n > 0}}}}
  pay:
    act: payments
    with: {id: input.id}
    if: "desk.accepted"
    on: {receiver_down: retry 3 then escalate claims-desk, "*": {default: {x: 1}}}
result: {id: input.id}
datasets:
  notices: {file: n.jsonl, format: jsonl, map: {input.text: text, expected.desk: desk}}
"""


def write(root: Path, **files: str) -> Path:
    folder = root / "workflows" / "claims"
    folder.mkdir(parents=True)
    (root / "aie.yaml").write_text(files.get("settings", SETTINGS))
    (root / "models.yaml").write_text(files.get("models", MODELS))
    (folder / "workflow.yaml").write_text(files.get("workflow", WORKFLOW))
    return root


def problems(root: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_workspace(root)
    return caught.value.problems


@pytest.mark.parametrize("file", ["models.yaml", "workflows/claims/workflow.yaml"])
def test_a_pipe_in_place_of_a_file_is_a_mistake_and_not_a_wait(tmp_path: Path, file: str) -> None:
    """Nobody may ever write to it."""
    root = write(tmp_path)
    (root / file).unlink()
    os.mkfifo(root / file)
    assert [(each.code, each.file) for each in problems(root)][:1] == [("unreadable", file)]


def test_a_workspace_is_read_into_typed_values(tmp_path: Path) -> None:
    """Units become integers, handlers values, steps the class of their layer."""
    workspace: Workspace = load_workspace(write(tmp_path))
    spec = workspace.workflows["claims"]
    assert spec.limits.limits().cost == 100_000
    assert spec.limits.limits().time == 60_000
    assert spec.folder == "workflows/claims"
    step = spec.steps["desk"]
    assert isinstance(step, ModelStep)
    assert step.name == "desk"
    assert list(step.expressions()) == [("with.text", "input.text")]
    lines = spec.steps["lines"]
    assert isinstance(lines, MapStep)
    assert dict(lines.expressions())["map.steps.each.rules.some"] == "line.n > 0"
    handler = spec.steps["pay"].on["receiver_down"]
    assert (handler.retries, handler.action, handler.desk) == (3, "escalate", "claims-desk")
    assert spec.steps["pay"].on["*"].value == {"x": 1}
    assert workspace.settings.desks["claims-desk"].answer_within == 172_800_000_000


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("owner: team", "ownr: team", "unknown-key", 2),
        ("workflow: claims", "workflow: claim", "workflow-name", 1),
        ("time: 60 s", "time: 60", "bad-value", 4),
        ("cost: 0.10 USD", "cost: 0.10", "bad-value", 4),
        ("tokens: 4000", "tokens: 4000 of them", "wrong-type", 4),
        ("tokens: 4000", "tokens: 0", "out-of-range", 4),
        ("tokens: 4000", "tokens: [4000]", "wrong-type", 4),
        ("owner: team@larkfield.example", "owner: true", "wrong-type", 2),
        ("input: schemas/in.json\n", "", "missing-key", 1),
        ("{model: desk,", "{modle: desk,", "unknown-key", 8),
        ("{model: desk, with: {text: input.text}}", "{with: {text: input.text}}", "no-layer", 8),
        ("check: rules", "check: rulez", "bad-value", 10),
        ("receiver_down:", "reciever_down:", "bad-value", 15),
        ("retry 3 then", "retyr 3 then", "bad-value", 15),
        ("escalate claims-desk", "escalate claims-dsk", "unknown-desk", 15),
        ("format: jsonl", "format: jsnl", "bad-value", 18),
        ("  pay:", "  Pay:", "bad-name", 11),
        ("expected.desk: desk", "expcted.desk: desk", "bad-value", 18),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, code: str, line: int) -> None:
    """File, line, key, and what to do."""
    assert old in WORKFLOW
    found = problems(write(tmp_path, workflow=WORKFLOW.replace(old, new, 1)))[0]
    assert (found.code, found.file, found.line) == (code, "workflows/claims/workflow.yaml", line)
    assert found.hint
    if found.edit is not None:
        text = (tmp_path / found.file).read_text()
        (tmp_path / found.file).write_text(apply(text, found.edit))
        assert load_workspace(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "line"),
    [
        ("settings", "kind: http", "kind: htpp", "bad-value", 4),
        ("settings", "kind: http", "knd: http", "unknown-key", 4),
        ("settings", "semantics: idempotent, ", "", "missing-key", 4),
        ("settings", "env:PAY", "hunter2", "bad-value", 4),
        ("models", "train: notices", "train: notises", "unknown-dataset", 2),
        ("models", "error_rate: 2%", "error_rate: 2", "bad-value", 2),
        ("models", "kind: text_classifier, ", "", "missing-key", 2),
    ],
)
def test_mistakes_in_the_other_files_too(tmp_path: Path, file: str, old: str, new: str, code: str, line: int) -> None:
    """`aie.yaml` and `models.yaml` are read as strictly."""
    text = {"settings": SETTINGS, "models": MODELS}[file]
    assert old in text
    found = problems(write(tmp_path, **{file: text.replace(old, new, 1)}))[0]
    assert (found.code, found.line) == (code, line)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """By file and line."""
    broken = WORKFLOW.replace("time: 60 s", "time: 60").replace("act: payments", "act: [payments]")
    found = problems(write(tmp_path, settings="storee: x\n", models="models: 3\n", workflow=broken))
    assert [(each.file, each.line) for each in found] == [
        ("aie.yaml", 1),
        ("models.yaml", 1),
        ("workflows/claims/workflow.yaml", 4),
        ("workflows/claims/workflow.yaml", 12),
    ]


@pytest.mark.parametrize(
    ("split", "key", "hint"),
    [
        ("{train: 70%, val: 30%}", "split", "write it like `{hash: id, shares: {train: 80%, val: 20%}}`"),
        ("random", "split", "write it like `{hash: id, shares: {train: 80%, val: 20%}}`"),
        ("{hash: id, share: {train: 100%}}", "split.share", "did you mean `shares`?"),
        ("{hash: id}", "split.shares", "add `shares:` (Shares by split; together 100%)"),
        ("{hash: id, shares: {train: 90%}}", "split", "write it like `{train: 80%, val: 10%, test: 10%}`"),
    ],
)
def test_a_mistake_in_a_split_is_told_once(tmp_path: Path, split: str, key: str, hint: str) -> None:
    """In the words of the form that was meant, not of every form there is."""
    workflow = WORKFLOW.replace("format: jsonl,", f"format: jsonl, split: {split},")
    assert [(each.key, each.hint) for each in problems(write(tmp_path, workflow=workflow))] == [
        (f"datasets.notices.{key}", hint)
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("env:PAY", "hunter2", "receivers.payments.secret"),
        ('"https://pay.example/x"', "ftp://me:hunter2@pay.example", "receivers.payments.url"),
        ("desks:", "store: postgres://me:hunter2@db/aie\ndesks:", "store"),
    ],
)
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, old: str, new: str, key: str) -> None:
    """Reports end up in logs; the hint names a variable instead."""
    (problem,) = problems(write(tmp_path, settings=SETTINGS.replace(old, new)))
    assert problem.key == key
    assert "env:" in problem.hint
    assert "hunter2" not in f"{problem}{problem.hint}"


def test_a_folder_that_is_no_workspace_is_told_apart(tmp_path: Path) -> None:
    """With the command that makes one."""
    (found,) = problems(tmp_path)
    assert found.code == "no-workspace"
    assert "aie init" in found.hint


def test_a_dataset_name_must_be_unique_where_it_is_named_alone(tmp_path: Path) -> None:
    """`train: notices` means one dataset or none."""
    write(tmp_path)
    other = tmp_path / "workflows" / "other"
    other.mkdir()
    (other / "workflow.yaml").write_text(WORKFLOW.replace("workflow: claims", "workflow: other"))
    assert problems(tmp_path)[0].code == "unknown-dataset"


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "workflows/../../x", "a\0b", "missing", "workflows"])
def test_only_files_of_the_workspace_are_read(tmp_path: Path, path: str) -> None:
    """A path that leads out, or to nothing, gives its reason in words."""
    root = tmp_path / "w"
    root.mkdir()
    (tmp_path / "outside").write_text("x")
    (tmp_path / "x").write_text("x")
    workspace = load_workspace(write(root))
    assert isinstance(workspace.read(path), str)


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    """The real place of the file counts."""
    root = tmp_path / "w"
    root.mkdir()
    (tmp_path / "outside").write_text("x")
    (root / "link").symlink_to(tmp_path / "outside")
    assert load_workspace(write(root)).read("link") == "outside the workspace"


def test_a_link_to_itself_is_no_file(tmp_path: Path) -> None:
    """A circle of links is told like any file that is not there."""
    workspace = load_workspace(write(tmp_path))
    (tmp_path / "circle").symlink_to("circle")
    assert workspace.read("circle") == "not a path"
    assert workspace.neighbours("circle/x") == []


@pytest.mark.parametrize(
    ("by", "told"), [("[]", ["at least 1 item expected"]), ("[[]]", ["text expected, this is a list"])]
)
def test_a_list_is_short_by_what_people_wrote(tmp_path: Path, by: str, told: list[str]) -> None:
    """In words of people, and not once more because its only member is refused."""
    lookups = f"lookups: {{x: {{kind: table, file: x.csv, by: {by}, row: row.json}}}}\n"
    root = write(tmp_path, settings=SETTINGS + lookups)
    assert [each.message for each in problems(root)] == told


def test_what_is_pinned_and_what_is_live_are_apart(tmp_path: Path) -> None:
    """An address or a price may change without another release."""
    models = """\
models:
  chat: {kind: chat, provider: openai_compatible, endpoint: "http://a.example", model: m-1, context_window: 1000,
         price: {input_per_million: 0.50 USD, output_per_million: 1 USD}, api_key: env:KEY}
  desk: {kind: text_classifier, train: notices, artefact: models/desk.aie}
"""
    one = load_workspace(write(tmp_path / "1", models=models)).models.models["chat"]
    changed = models.replace("a.example", "b.example").replace("0.50", "0.60")
    two = load_workspace(write(tmp_path / "2", models=changed)).models.models["chat"]
    assert one.pinned() == two.pinned()
    assert one.live() != two.live()
    snapshot = models.replace("m-1", "m-2")
    three = load_workspace(write(tmp_path / "3", models=snapshot)).models.models["chat"]
    assert three.pinned() != one.pinned()


@pytest.mark.parametrize("change", ["price", "both"])
def test_a_chat_model_has_a_price_or_is_local(tmp_path: Path, change: str) -> None:
    """Never an invented price."""
    extra = "" if change == "price" else ", local: true, price: {input_per_million: 1 USD, output_per_million: 1 USD}"
    models = (
        "models:\n  c: {kind: chat, provider: openai_compatible, endpoint: env:URL, model: m, context_window: 9"
        f"{extra}}}\n  desk: {{kind: text_classifier, train: notices, artefact: a}}\n"
    )
    assert problems(write(tmp_path, models=models))[0].code == "price"
