"""Entries of models.yaml: what each form may say, and that a mistake is told once, at its key."""

from pathlib import Path

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
