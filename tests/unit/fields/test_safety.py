"""Patterns of extractor files: those whose time is not bounded are refused before they run."""

import pytest

from aie.fields.rules import why_unsafe


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+b", r"(a|a)*b", r"(ab|a)*b", r".*foo", r"\s*\s*x", r"(\w+\s?)*$", r"(?=.*a)b", r"(?:a?){20}a{20}",
        r"(x)\1", r"[\w ]{0,60}[\w ]{0,60}x", r"(?i)(inc|INC)+x", r"(", r"a{1,70000000000}",
    ],
)  # fmt: skip
def test_a_pattern_that_may_run_for_ever_is_refused(pattern):
    """Nested and overlapping repeats, references back, what is no pattern."""
    assert why_unsafe(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d+", r"No[.:]? *(?P<value>\S+)", r".{0,60}foo", r"(?:[A-Z]\w+\s+){1,4}(?:Inc|LLC)", r"[\w.]+@[\w.]+",
        r"\d{1,2}/\d{1,2}/\d{4}", r"^Total\s*:\s*(?P<value>[\d.,]+)$", r"(?i)invoice (no|number)", r"(?<=No )\d+(?!x)",
    ],
)  # fmt: skip
def test_a_pattern_of_clear_ends_passes(pattern):
    """Where the next character decides, repeats need no end."""
    assert why_unsafe(pattern) is None
