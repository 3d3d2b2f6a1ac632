"""YAML without surprises, with places."""

import pytest

from aie.config import apply, parse_yaml
from aie.config.source import MAX_PROBLEMS
from aie.core import JSON
from aie.errors import ConfigError, Problem


def read(text: str) -> JSON:
    return parse_yaml(text.encode(), "f.yaml").root.data()


def problems(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("1.10", "1.10"),
        ("2026-01-31", "2026-01-31"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("'007'", "007"),
        ("007a", "007a"),
        ("42", 42),
        ("-1", -1),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("'true'", "true"),
    ],
)
def test_a_scalar_is_what_was_typed(text: str, value: JSON) -> None:
    """Nothing but null, booleans and plain integers is more than text."""
    assert read(f"a: {text}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "meant"), [("0x1F", "31"), ("010", "10"), ("0o17", "15"), ("1_000", "1000"), ("+5", "5")]
)
def test_a_number_with_two_readings_is_refused_with_one(text: str, meant: str) -> None:
    """YAML 1.1 and 1.2 disagree about these."""
    (problem,) = problems(f"a: {text}")
    assert (problem.code, problem.line, problem.col) == ("yaml-number", 1, 4)
    assert problem.edit is not None
    assert read(apply(f"a: {text}", problem.edit)) == {"a": int(meant)}


@pytest.mark.parametrize(
    ("text", "code", "line", "col"),
    [
        ("a: 1\na: 2", "duplicate-key", 2, 1),
        ("a: {b: 1, b: 2}", "duplicate-key", 1, 11),
        ("a: &x 1", "anchor", 1, 4),
        ("a: !!str 1", "tag", 1, 4),
        ("a: *x", "alias", 1, 4),
        ("<<: {b: 1}", "merge-key", 1, 1),
        ("? [a]\n: 1", "key-not-text", 1, 3),
        ("a: 1\n---\nb: 2", "several-documents", 2, 1),
        ("a:\n\tb: 1", "yaml-syntax", 2, 1),
        ('a: "x\nb: 1', "yaml-syntax", 1, 4),
        ("a: {b: 1\nc: 2", "yaml-syntax", 1, 4),
        ("a: \0", "control-character", 1, 1),
        ("a: 1\nb: \u2028", "control-character", 2, 1),
        ("[" * 50, "too-deep", 1, 41),
    ],
)
def test_what_two_readers_would_read_differently_is_refused_at_its_place(
    text: str, code: str, line: int, col: int
) -> None:
    """Each with its code and place."""
    problem = problems(text)[0]
    assert (problem.code, problem.line, problem.col) == (code, line, col)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a: {b: 1, b: 2}",
        "a: {b: 1, b: 2, c: 3}",
        "a: &x 1",
        "a: !!str 1",
        "a:\n\tb: 1",
        'a: "x\nb: 1',
        'a: {b: "x, c: 1}',
        "a: {b: 1\nc: 2",
        "a: [1, 2  # why\nc: 2",
    ],
)
def test_the_edit_of_a_mistake_leaves_none(text: str) -> None:
    """Edits are tried before they are offered."""
    edit = problems(text)[0].edit
    assert edit is not None
    read(apply(text, edit))


def test_every_mistake_is_told_at_once() -> None:
    """Not one a run."""
    assert [each.code for each in problems("a: &x 1\nb: 010\na: 2\nc: !t x")] == [
        "anchor", "yaml-number", "duplicate-key", "tag",
    ]  # fmt: skip


def test_mistakes_have_an_end() -> None:
    """A file full of them costs no more than a hundred."""
    assert len(problems("".join(f"k{i}: &x 1\n" for i in range(500)))) == MAX_PROBLEMS


def test_bytes_that_are_no_text_are_refused() -> None:
    """The line is told."""
    assert (problems(b"a: 1\nb: \xff")[0].code, problems(b"a: 1\nb: \xff")[0].line) == ("not-utf8", 2)
    assert problems(b"x" * 1_000_001)[0].code == "file-too-large"


def test_a_byte_order_mark_and_carriage_returns_mean_nothing() -> None:
    """Editors add them."""
    assert parse_yaml(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f").root.data() == {"a": 1, "b": 2}


def test_an_empty_file_is_an_empty_map() -> None:
    """As one with comments only."""
    assert read("# nothing\n") == {}


def test_places_follow_the_key_path() -> None:
    """Of values, of keys, and of the nearest parent where the path ends early."""
    source = parse_yaml(b"a:\n  b: [x, {c: 1}]\n  d: 2\n", "f")
    assert (source.mark(("a", "b", 1, "c")).line, source.mark(("a", "b", 1, "c")).col) == (2, 14)
    assert (source.mark(("a", "d"), at_key=True).line, source.mark(("a", "d"), at_key=True).col) == (3, 3)
    assert source.mark(("a", "zzz")).line == 1


def test_a_block_key_is_removed_with_all_of_its_lines_and_no_other() -> None:
    """The end of a block is its last value, not what comes next."""
    text = "a:\n  b:\n    c: 1\n    d:\n      - 2\n  # about e\n  e: 3\n"
    source = parse_yaml(text.encode(), "f")
    edit = source.remove(("a", "b"))
    assert edit is not None
    assert read(apply(text, edit)) == {"a": {"e": 3}}
