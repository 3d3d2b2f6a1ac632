"""Marks over a text."""

import re

from hypothesis import given
from hypothesis import strategies as st

from aie.app.marking import Mark, marked

TEXT = "0123456789"
places = st.builds(
    lambda start, end, kind: Mark(start=start, end=end, kind=kind, title="t"),
    st.integers(-2, 12),
    st.integers(-2, 12),
    st.sampled_from(["mark", "left-out"]),
)


@given(st.lists(places, max_size=6))
def test_marks_never_change_the_text(marks: list[Mark]):
    """Whatever overlaps, the characters stay in their order."""
    plain = re.sub(r"<[^>]*>", "", marked(TEXT, marks))
    assert plain == TEXT


def test_where_two_claim_a_character_evidence_wins():
    """What the decision rests on is never shown as left out."""
    over = [Mark(start=0, end=6, kind="left-out", title="b"), Mark(start=4, end=8, kind="mark", title="a")]
    assert marked("abcdefghij", over) == (
        '<span class=left-out title="b">abcd</span><mark title="a">ef</mark><mark title="a">gh</mark>ij'
    )


def test_a_place_outside_the_text_is_ignored():
    """A cite of another text must not cut this one."""
    assert marked("abc", [Mark(start=2, end=9, kind="mark", title="")]) == "abc"


def test_what_hides_or_turns_its_neighbours_is_spelled_out():
    """In a page as in a terminal: an amount must not read backwards; lines and tabs stay."""
    assert marked("pay \u202e00.001\u202c\n\t<b>\x1b", []) == "pay \\u202e00.001\\u202c\n\t&lt;b&gt;\\u001b"
