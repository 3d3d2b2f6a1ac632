"""What a workspace needs that is not here."""

from pathlib import Path

import pytest

from aie.app import examine, start_workspace, unmet
from aie.app.needs import is_installed

MODELS = """\
models:
  frankfurt:
    kind: chat
    provider: openai_compatible
    endpoint: env:FRANKFURT_URL
    api_key: env:READER_KEY
    model: frankfurt-2026-05
    local: true
    context_window: 16000
  dublin:
    kind: chat
    provider: anthropic
    endpoint: https://models.example/v1
    api_key: env:READER_KEY
    model: dublin-2026-05
    local: true
    context_window: 16000
"""
SETTINGS = """
lookups:
  policies:
    kind: http
    url: env:POLICIES_URL
    path: "/policies/{id}"
    headers: {Authorization: Bearer env:POLICIES_TOKEN}
    by: [id]
    row: policy.json
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with two chat models."""
    start_workspace(tmp_path / "w", "triage")
    (tmp_path / "w/models.yaml").write_text(MODELS)
    return tmp_path / "w"


def test_what_is_not_set_and_not_installed_is_told_with_who_needs_it(root: Path) -> None:
    """Each once, however many need it; what is set is no need, what is empty is one."""
    told = unmet(root, {"FRANKFURT_URL": ""}, lambda extra: extra == "openai")
    assert [(each.kind, each.name, each.found) for each in told] == [
        ("env", "FRANKFURT_URL", "not set; models.yaml: frankfurt"),
        ("env", "READER_KEY", "not set; models.yaml: frankfurt, dublin"),
        ("extra", "anthropic", "not installed; models.yaml: dublin"),
    ]
    assert [each.mend for each in told][1:] == [
        "export READER_KEY=…",
        "pip install '.[anthropic]' in a checkout of the engine",
    ]
    assert unmet(root, {"FRANKFURT_URL": "x", "READER_KEY": "k"}, lambda extra: True) == ()


def test_references_of_the_settings_are_needs_as_well(root: Path) -> None:
    """Of an address, of a secret, and of a secret within a header."""
    settings = root / "aie.yaml"
    settings.write_text(settings.read_text() + SETTINGS)
    given = {"FRANKFURT_URL": "x", "READER_KEY": "k"}
    assert [(each.name, each.found) for each in unmet(root, given, lambda extra: True)] == [
        ("POLICIES_URL", "not set; aie.yaml: lookups.policies"),
        ("POLICIES_TOKEN", "not set; aie.yaml: lookups.policies"),
    ]


def test_an_extra_that_is_part_of_a_package_which_is_not_there_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The import system says so by an error."""
    monkeypatch.setattr("aie.app.needs.EXTRAS", {"there": "json", "part": "no_such_package.part"})
    assert [is_installed(each) for each in ("there", "part", "unknown")] == [True, False, True]


def test_the_doctor_calls_it_bad(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh workspace without such models needs nothing."""
    monkeypatch.delenv("READER_KEY", raising=False)
    monkeypatch.setenv("FRANKFURT_URL", "http://127.0.0.1:1/v1")
    found = {each.what: each for each in examine(root)}
    assert (found["env READER_KEY"].verdict, found["env READER_KEY"].found) == (
        "bad",
        "not set; models.yaml: frankfurt, dublin",
    )
    assert "env FRANKFURT_URL" not in found


def test_a_file_with_mistakes_is_not_asked_for_its_needs(root: Path) -> None:
    """Its mistakes are told by others."""
    (root / "models.yaml").write_text("models: [")
    assert unmet(root, {}) == ()
