"""What `aie models` and `aie status` say of models and routes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aie.app import lock_release, open_app, promote_release, set_stop
from aie.records import close_gate, open_gate
from tests.acceptance.conftest import run_aie
from tests.shows.one_workflow import workspace

pytestmark = pytest.mark.slow

CHAT = """\
  NAME:
    kind: chat
    owner: models@northgate.example
    provider: openai_compatible
    endpoint: env:NAME_URL
    api_key: env:READER_KEY
    model: NAME-2026-05
    features: [json_schema]
    regions: [REGION]
    price:
      - {input_per_million: 0.15 USD, output_per_million: 0.60 USD, until: 2099-06-01}
      - {input_per_million: 0.30 USD, output_per_million: 1.20 USD, from: 2099-06-01}
    context_window: 16000
    parameters: {max_tokens: 200}
    rates: {rpm: 600, concurrency: 4}
"""
CATALOG = (
    "models:\n"
    + "".join(
        CHAT.replace("NAME_URL", f"{name.upper()}_URL").replace("NAME", name).replace("REGION", region)
        for name, region in (("frankfurt", "eu"), ("dublin", "eu"), ("virginia", "us"))
    )
    + """routes:
  desk:
    owner: models@northgate.example
    candidates: [frankfurt, dublin, virginia]
    constraints: {regions: [eu], max_cost_per_call: 0.05 USD}
"""
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace in production, one of its models stopped, the breaker of another one open."""
    root = tmp_path_factory.mktemp("catalog")
    workspace(root, 1)
    (root / "models.yaml").write_text(CATALOG)
    with open_app(root, actor="root") as app:
        lock_release(app, "desks")
        promote_release(app, "desks", "production")
        set_stop(app, "model", "frankfurt", reason="wrong amounts")
        open_gate(app.store, "dublin", pause=3_600_000_000, why="5 of 5 calls within 30 s failed")
        yield root
        close_gate(app.store, "dublin")


def shown(root: Path, *arguments: str) -> str:
    """Return what the command prints, each run of blanks as one."""
    done = run_aie(*arguments, cwd=root, COLUMNS="110")
    assert done.status == 0, done.err
    return "\n".join(" ".join(line.split()) for line in done.out.splitlines())


def test_a_stopped_model_and_an_open_breaker_are_seen_wherever_models_are_shown(root: Path) -> None:
    """In the list, in their own page with the reason, and in the overview."""
    listed = shown(root, "models")
    assert "frankfurt models@northgate.example stopped" in listed
    assert "dublin models@northgate.example circuit open" in listed
    assert "virginia models@northgate.example active" in listed
    assert "status stopped, by root: wrong amounts\n" in shown(root, "models", "frankfurt")
    opened = "circuit open for another 59 min (5 of 5 calls within 30 s failed)"
    assert f"status {opened}\n" in shown(root, "models", "dublin")
    seen = shown(root, "status")
    assert f"model dublin: {opened}" in seen
    assert "stopped: model frankfurt, by root: wrong amounts" in seen


def test_pages_and_alerts_fit_a_narrow_terminal(root: Path) -> None:
    """Reasons and constraints go on beneath where they began."""
    for arguments in (("models",), ("models", "frankfurt"), ("models", "dublin"), ("models", "desk"), ("status",)):
        done = run_aie(*arguments, cwd=root, COLUMNS="60")
        assert max(map(len, done.out.splitlines())) <= 60, done.out


def test_a_model_is_shown_with_all_that_is_asked_of_it(root: Path) -> None:
    """References stay references: no key and no URL of the environment is printed."""
    text = shown(root, "models", "virginia")
    for line in (
        "provider openai_compatible",
        "endpoint env:VIRGINIA_URL",
        "key env:READER_KEY",
        "snapshot virginia-2026-05",
        "parameters max_tokens 200, temperature 0.0",
        "context window 16000 tokens",
        "rates 600 calls a minute, 4 calls at the same time",
        "asked again rate_limited 2, provider_down 1; after 60 s at most",
        "breaker 5 failures within 30 s, then nothing is asked for 15 s",
        "price 0.15 USD in, 0.60 USD out for a million tokens",
        "price from 2099-06-01 0.30 USD in, 1.20 USD out for a million tokens",
    ):
        assert line in text.splitlines()


def test_a_retired_candidate_may_not_be_asked_now(tmp_path: Path) -> None:
    """As no run that begins now asks it."""
    workspace(tmp_path, 1)
    end = "    retirement: {date: 2026-01-31, replacement: dublin}\n    features:"
    (tmp_path / "models.yaml").write_text(CATALOG.replace("    features:", end, 1))
    told = "refused: it retired on 2026-01-31, owner models@northgate.example, replaced by dublin"
    assert f"candidate frankfurt {told}" in shown(tmp_path, "models", "desk").splitlines()


def test_a_route_is_shown_with_who_may_be_asked_now_and_why_nobody_else(root: Path) -> None:
    """A route is a name that steps use, like that of a model."""
    assert "desk models@northgate.example fallback nobody desks/production 0" in shown(root, "models")
    text = shown(root, "models", "desk")
    for line in (
        "kind route, fallback",
        "constraints regions eu; 0.05 USD a call at most",
        "candidate frankfurt refused: model frankfurt was stopped by root: wrong amounts",
        "candidate virginia refused: it processes in us; the route allows eu",
        "environments desks/production",
        "runs in flight 0",
    ):
        assert line in text.splitlines()
    assert "candidate dublin refused: its circuit breaker is open for another 3" in text
    [told] = [each for each in _data(root) if each["kind"] == "route"]
    assert [each["model"] for each in told["candidates"] if not each["refused"]] == []
    assert run_aie("models", "nobody", cwd=root).status == 3


def _data(root: Path) -> Any:
    return run_aie("models", "--format", "json", cwd=root).data
