"""Our parse of CEL against the interpreter's own."""

import cel
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aie.config.expressions import SyntaxProblem, parse
from aie.config.expressions.syntax import Binary, Call, Ident, LiteralValue, Paren, Select, Ternary, children

_WORDS = st.sampled_from(
    [
        "a",
        "b",
        "input",
        "true",
        "false",
        "null",
        "in",
        "1",
        "0",
        "42",
        "0x1F",
        "1.5",
        ".5",
        "1e3",
        "1u",
        "'x'",
        '"y"',
        "''",
        "r'\\d'",
        "'''t'''",
        "'\\n'",
        "'\\q'",
        "b'z'",
        "&&",
        "||",
        "==",
        "!=",
        "<=",
        ">=",
        "<",
        ">",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "?",
        ":",
        ".",
        ",",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "has",
        "size",
        "all",
        "exists",
        "map",
        "filter",
        "as",
        "if",
        "loop",
        "//",
        "\n",
        "=",
        "&",
        "~",
        "01",
        "'open",
        "é",
    ]
)
_ATOMS = st.sampled_from(
    ["a", "input.x", "1", "-2", "0.5", "'t'", "true", "null", "[1, 2]", "{'k': 1}", "f(a)", "a.b(1)"]
)
_TREES = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||", "==", "<", "in", "+", "*", "%"]), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"!({text})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]}) ? ({three[1]}) : {three[2]}"),
        inner.map(lambda text: f"[1].map(x, {text})"),
        inner.map(lambda text: f"a[{text}]"),
    ),
    max_leaves=8,
)


def _interpreter_reads(text: str) -> bool:
    try:
        cel.compile(text)
    except Exception:
        return False
    return True


def _agree(text: str) -> None:
    try:
        parse(text)
    except SyntaxProblem as problem:
        # What we leave out has names of its own; a deep text is refused before the interpreter's stack would suffer.
        named = problem.finding.code in {"cel-unsupported", "cel-too-deep", "cel-too-long"}
        assert named or not _interpreter_reads(text), problem.finding.message
    else:
        assert _interpreter_reads(text)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(_WORDS, max_size=9).map(" ".join))
@example("!-1")
@example("-!a")
@example("a ? b ? 1 : 2 : 3")
@example("[,]")
@example("has(a)")
@example("x.map(1, 2)")
@example("'\\ud800'")
@example("9223372036854775808")
@example("1 // end")
def test_any_words_are_read_by_both_or_by_neither(text: str) -> None:
    """A text that only one of the two accepts would be checked as one thing and run as another."""
    _agree(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(_TREES)
def test_every_well_formed_text_is_read_by_both(text: str) -> None:
    """The grammar has no corner that only the interpreter knows."""
    _agree(text)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_TREES)
def test_every_node_stands_where_it_says(text: str) -> None:
    """Parts lie within the whole, in order, without overlap: places and replacements rest on it."""
    waiting = [parse(text)]
    while waiting:
        node = waiting.pop()
        at = node.start
        for part in children(node):
            assert at <= part.start <= part.end <= node.end
            at = part.end
            waiting.append(part)


def test_operators_bind_as_in_the_interpreter() -> None:
    """`||` binds weakest, members strongest."""
    node = parse("a || b && c.d + 1 * 2 == 3")
    assert isinstance(node, Binary)
    assert node.op == "||"
    assert isinstance(node.right, Binary)
    assert node.right.op == "&&"


def test_nodes_of_each_kind_are_made() -> None:
    """A ternary, a call, a select, a literal and brackets keep their parts."""
    node = parse("(a.b) ? f('x') : 2")
    assert isinstance(node, Ternary)
    assert isinstance(node.condition, Paren)
    assert isinstance(node.condition.inner, Select)
    assert isinstance(node.condition.inner.operand, Ident)
    assert isinstance(node.yes, Call)
    assert isinstance(node.no, LiteralValue)


@pytest.mark.parametrize(
    ("text", "start", "replacement"),
    [("a and b", 2, "&&"), ("a or b", 2, "||"), ("a = 1", 2, "=="), ("a == True", None, None), ("a & b", 2, "&&")],
)
def test_habits_of_other_languages_are_told_with_their_mending(
    text: str, start: int | None, replacement: str | None
) -> None:
    """Python's words and single signs are the mistakes people make; `True` is a name here."""
    if start is None:
        parse(text)
        return
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert (caught.value.finding.start, caught.value.finding.replacement) == (start, replacement)


@pytest.mark.parametrize("text", ["1u", "b'x'", ".a", "a{b: 1}", "1e400"])
def test_what_is_left_out_is_refused_by_name(text: str) -> None:
    """The interpreter reads these; no value of ours could hold what they mean."""
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert caught.value.finding.code == "cel-unsupported"


@pytest.mark.parametrize("text", ["(" * 60 + "1" + ")" * 60, "a" * 3000, "+".join("a" * 900)])
def test_a_text_beyond_the_caps_is_refused(text: str) -> None:
    """Depth, length and words are bounded before anything recurses."""
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert caught.value.finding.code in {"cel-too-deep", "cel-too-long"}
