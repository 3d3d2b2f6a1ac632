"""What people write out of habit, and what the hint says they meant."""

from pathlib import Path

import pytest

from aie.config import TextType, load_models
from aie.config.problems import did_you_mean, nearest
from aie.config.scalars import read_duration
from aie.config.templates import check_template
from aie.errors import ConfigError, Problem
from aie.releases import check
from tests.shows.one_workflow import workspace

MODELS = """\
models:
  quick: {kind: text_classifier, train: desks/messages, artefact: models/quick.aie}
  dublin:
    kind: chat
    provider: openai_compatible
    endpoint: https://models.example/v1
    api_key: env:READER_KEY
    model: dublin-2026-05
    price: {input_per_million: 0.15 USD, output_per_million: 0.60 USD}
    context_window: 16000
    timeout: 30 s
routes:
  desk: {candidates: [quick, dublin], strategy: {kind: cascade}}
"""


def problem(tmp_path: Path, old: str, new: str) -> Problem:
    """Return the one mistake that a change of the catalog makes."""
    assert old in MODELS
    (tmp_path / "models.yaml").write_text(MODELS.replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        load_models(tmp_path)
    [found] = refused.value.problems
    return found


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("30 s", "10sec", "write it like `10 s`"),
        (
            "{input_per_million: 0.15 USD, output_per_million: 0.60 USD}",
            "0.15 USD",
            "write it like `{input_per_million: 0.15 USD, output_per_million: 0.60 USD}`",
        ),
        (
            "timeout: 30 s",
            "retry: 3",
            "write a map of `rate_limited`, `provider_down`, `timeout`, `invalid_output`, `at_most`",
        ),
        ("timeout: 30 s", "retirement: 2027-01-31", "write a map of `date`"),
        ("timeout: 30 s", "approvals: [dpo]", "write a map of `by`, `date`"),
        ("30 s", "2 Minutes", "write it like `2 min`"),
        ("30 s", "2 weeks", "write it like `60 s`"),
        ("0.15 USD", "$20", "write it like `20.00 USD`"),
        ("0.15 USD", "1.50 EUR", "write it like `1.50 USD`"),
        ("0.15 USD", "a lot", "write it like `0.10 USD`"),
        ("{kind: cascade}", "fallback", "write `{kind: fallback}`"),
        ("context_window: 16000", "context_window: 128k", "write `128000`"),
        ("context_window: 16000", "context_window: 1.5M", "write `1500000`"),
        (
            "    kind: chat\n",
            "",
            "add `kind:`, one of chat, onnx, tabular_classifier, text_classifier",
        ),
        ("openai_compatible", "openai", "did you mean `openai_compatible`?"),
        (
            "https://models.example/v1",
            "models.example/v1",
            "write `https://models.example/v1`, or `env:DUBLIN_ENDPOINT` and set DUBLIN_ENDPOINT in the environment",
        ),
        (
            "https://models.example/v1",
            "user:pass@models.example/v1",
            "write `env:DUBLIN_ENDPOINT` and set DUBLIN_ENDPOINT in the environment",
        ),
        (
            "env:READER_KEY",
            "key.example/v1",
            "write `env:DUBLIN_API_KEY` and set DUBLIN_API_KEY in the environment",
        ),
    ],
)
def test_the_hint_is_what_was_meant(tmp_path: Path, old: str, new: str, hint: str) -> None:
    """And never repeats what may be a secret."""
    assert problem(tmp_path, old, new).hint == hint


def test_a_chat_model_that_comes_first_in_a_cascade_is_to_be_put_last(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(MODELS.replace("[quick, dublin]", "[dublin, quick]"))
    assert [each.hint for each in load_models(tmp_path).mistakes()] == ["put `dublin` last"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("zzz", "known models: `dublin`, `quick`; known route: `reader`"),
        ("dublyn", "did you mean `dublin`?"),
        ("readr", "did you mean the route `reader`?"),
    ],
)
def test_a_step_that_names_nobody_is_told_models_and_routes_apart(tmp_path: Path, name: str, hint: str) -> None:
    workspace(tmp_path, 1)
    (tmp_path / "models.yaml").write_text(MODELS.replace("  desk:", "  reader:"))
    file = tmp_path / "workflows/desks/workflow.yaml"
    file.write_text(file.read_text().replace("model: desk", f"model: {name}"))
    [found] = [each for each in check(tmp_path, now=0) if each.code == "unknown-model"]
    assert (found.message, found.hint) == (f"no model and no route is named `{name}`", hint)


def test_a_slot_that_nobody_gives_is_meant_or_to_be_added() -> None:
    """Two ways, and the first one only where a name is near."""
    slots = {"note": TextType()}
    near, far = (check_template(f"{{{{ {each} }}}}".encode(), slots)[0].hint for each in ("not_e", "zzz"))
    assert near == "did you mean `note`? Else add it to `with:`"
    assert far == "known slots: `note`; or add it to `with:`"


def test_units_and_amounts_that_are_right_are_read_as_before() -> None:
    """The other spellings are for hints alone."""
    assert [read_duration(each) for each in ("10 s", "2min", "3 hours")] == [10_000_000, 120_000_000, 10_800_000_000]


def test_what_is_known_is_listed_once_and_in_its_number() -> None:
    assert did_you_mean("zzz", ["b", "a", "b"], "model") == "known models: `a`, `b`"
    assert did_you_mean("zzz", ["b", "b"], "model") == "known model: `b`"
    assert did_you_mean("zzz", ["b", "a"], "files") == "known files: `a`, `b`"


def test_a_name_that_is_the_beginning_of_one_other_was_meant_as_that() -> None:
    """Of two nobody can tell."""
    assert nearest("openai", ["openai_compatible", "anthropic"]) == "openai_compatible"
    assert nearest("openai", ["openai_compatible_one", "openai_responses_two"]) is None
