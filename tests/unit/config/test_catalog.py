"""Entries of models.yaml: what each form may say, and that a mistake is told once, at its key."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from aie.config import load_workspace
from aie.errors import ConfigError

WORKFLOW = """\
workflow: mail
owner: mail@northgate.example
case: input.id
risk: low
limits: {steps: 5}
input: in.json
output: in.json
steps:
  text: {extract: text, from: input.id}
result: {id: input.id}
on: {"*": fail}
datasets:
  mail: {file: mail.jsonl, format: jsonl, map: {input.text: text, expected.label: label}}
"""


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("threshold: 8", "models.m.threshold"),
        ("threshold: -0.1", "models.m.threshold"),
        ("threshold: {error_rate: 2}", "models.m.threshold.error_rate"),
        ("threshold: {error_rat: 2%, error_rate: 2%}", "models.m.threshold.error_rat"),
        ("recipe: {strength: 0}", "models.m.recipe.strength"),
        ("{task: multi, reject: other}", "models.m.reject"),
    ],
)
def test_a_mistake_in_a_classifier_is_told_once_at_its_key(tmp_path: Path, written: str, key: str) -> None:
    """Of two forms a value may have, only the one that was meant is talked about."""
    folder = tmp_path / "workflows" / "mail"
    folder.mkdir(parents=True)
    (tmp_path / "aie.yaml").write_text("environments: [production]\n")
    (folder / "workflow.yaml").write_text(WORKFLOW)
    (folder / "in.json").write_text('{"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}')
    (folder / "mail.jsonl").write_text("")
    extra = written.strip("{}") if written.startswith("{") else written
    (tmp_path / "models.yaml").write_text(
        f"models:\n  m: {{kind: text_classifier, train: mail/mail, artefact: m.aie, {extra}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_workspace(tmp_path)
    assert [each.key for each in caught.value.problems] == [key]


DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str, key: str) -> list[str]:
    """Return the indented blocks of a page that begin with a key."""
    text = (DOCS / page).read_text()
    found = [dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)]
    return [block.split("\n\n")[0] for block in found if block.lstrip("\n").startswith(f"{key}:")]


def problems(folder: Path, models: str) -> list[tuple[str, str]]:
    """Return code and key of each mistake in a catalog."""
    (folder / "aie.yaml").write_text("environments: [production]\n")
    (folder / "models.yaml").write_text(models)
    try:
        load_workspace(folder)
    except ConfigError as error:
        return [(each.code, each.key) for each in error.problems]
    return []


CHAT = """\
  {name}:
    kind: chat
    provider: openai_compatible
    endpoint: https://models.example/v1
    model: m-1
    context_window: 8000
    {extra}
"""


def chat(name: str, extra: str = "local: true") -> str:
    """Return the entry of a chat model."""
    return CHAT.format(name=name, extra=extra)


def test_the_entries_of_the_documentation_are_sound(tmp_path: Path) -> None:
    """Catalog and route, as they stand there."""
    (entry,) = [block for block in blocks("models.md", "models") if "kind: chat" in block]
    (route,) = blocks("routes.md", "routes")
    entry = entry.replace("replacement: reader-2", "replacement: frankfurt")
    others = "".join(chat(name) for name in ("frankfurt", "dublin", "local"))
    route = route.replace("  reader:", "  letters:")
    assert problems(tmp_path, f"{entry.strip()}\n{others}{route.strip()}\n") == []


@pytest.mark.parametrize(
    ("written", "code", "key"),
    [
        ("price: {input_per_million: 1 USD}", "missing-key", "models.m.price.output_per_million"),
        ("price: free", "bad-value", "models.m.price"),
        ("price: []", "out-of-range", "models.m.price"),
        (
            "price: {input_per_million: 1 USD, output_per_million: 1 USD, from: 2026-12-01, until: 2026-11-01}",
            "bad-value",
            "models.m.price",
        ),
        ("{local: true, retirement: {date: soon}}", "bad-value", "models.m.retirement.date"),
        ("{local: true, retirement: {date: 2026-02-30}}", "bad-value", "models.m.retirement.date"),
        (
            "{local: true, retirement: {date: 2026-12-01, replacement: other}}",
            "unknown-model",
            "models.m.retirement.replacement",
        ),
        (
            "{local: true, retirement: {date: 2026-12-01, replacement: m}}",
            "bad-value",
            "models.m.retirement.replacement",
        ),
        ("{local: true, modalities: [sound]}", "bad-value", "models.m.modalities.0"),
        ("{local: true, retention_days: -1}", "out-of-range", "models.m.retention_days"),
        ("timeout: 36501 days", "bad-value", "models.m.timeout"),
        (
            "price: {input_per_million: -1.00 USD, output_per_million: 1 USD}",
            "bad-value",
            "models.m.price.input_per_million",
        ),
        ("api_key: sk-123", "bad-value", "models.m.api_key"),
    ],
)
def test_a_mistake_in_a_chat_model_is_told_at_its_key(tmp_path: Path, written: str, code: str, key: str) -> None:
    """Once, whatever forms the value may have."""
    extra = written.removeprefix("{").removesuffix("}") if written.startswith("{") else written
    if written.startswith("{"):
        extra = "\n    ".join(re.split(r", (?=[a-z_]+: (?:\{|\[|-))", extra))
    assert problems(tmp_path, f"models:\n{chat('m', extra)}") == [(code, key)]


@pytest.mark.parametrize(
    ("route", "key"),
    [
        ("{candidates: [a, c]}", "routes.r.candidates.1"),
        ("{candidates: [a, a]}", "routes.r.candidates"),
        ("{candidates: []}", "routes.r.candidates"),
        ("{candidates: [a, b], strategy: {kind: weighted, weights: {a: 1}}}", "routes.r.strategy.weights"),
        ("{candidates: [a, b], strategy: {kind: cascade}}", "routes.r.candidates.0"),
        ("{candidates: [a], strategy: {kind: hedged}}", "routes.r.strategy.kind"),
        ("{candidates: [a], strategy: {kind: cheapest}}", "routes.r.strategy.quality"),
        ("{candidates: [a], constraints: {region: [eu]}}", "routes.r.constraints.region"),
    ],
)
def test_a_mistake_in_a_route_is_told_at_its_key(tmp_path: Path, route: str, key: str) -> None:
    """With the file and line of the route."""
    found = problems(tmp_path, f"models:\n{chat('a')}{chat('b')}routes:\n  r: {route}\n")
    assert [each for _, each in found] == [key]


def test_a_route_cannot_have_the_name_of_a_model(tmp_path: Path) -> None:
    """A step could not tell them apart."""
    assert problems(tmp_path, f"models:\n{chat('a')}routes:\n  a: {{candidates: [a]}}\n") == [("bad-route", "routes.a")]
