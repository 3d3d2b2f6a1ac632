"""The file of labels that people gave."""

from pathlib import Path

import pytest

from aie.config.labelling import GivenLabel, append_labels, read_labels


@pytest.mark.parametrize("value", ["a\u2028b", "a\u0085b", "a\nb", "a\x1cb\x0b"])
def test_a_label_may_hold_any_character(tmp_path: Path, value: str) -> None:
    """What some take for an end of line within a text ends no label."""
    label = GivenLabel(id=value, expected={"kind": value}, by="ana", at="2026-11-22T10:00:00Z")
    append_labels(tmp_path / "labels.jsonl", [label])
    assert read_labels(tmp_path / "labels.jsonl") == {value: label}
