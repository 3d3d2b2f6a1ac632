"""Explanations as text."""

from dataclasses import replace

import pytest

from aie.app import explain_text
from aie.runs import Explanation


def test_the_answer_comes_first_and_every_question_of_an_auditor_is_answered(decided: Explanation):
    """What, why, on which words, who, which version, how much."""
    lines = explain_text(decided, width=100)
    text = "\n".join(lines)
    assert lines[0] == "claims C-029: completed, decided by dana"
    for words in (
        "liability",
        "home with confidence 0.3801, not accepted",
        "“The visitor wants 485.00 USD. NG-322419 is my policy.”",
        "“Kind regards, I. Mercer”",
        "dana corrected it after",
        "label: home → liability",
        "classifier desk",
        "0 USD: nothing left this machine",
        "delivered to payments",
        "6 steps of 20 steps",
    ):
        assert words in text, words


@pytest.mark.parametrize("width", [60, 80, 110])
def test_no_line_is_wider_than_the_terminal(decided: Explanation, width: int):
    """Digests are cut to what people compare."""
    assert max(len(line) for line in explain_text(decided, width=width)) <= width


def test_an_open_review_says_how_to_decide_it(waiting: Explanation):
    """With the review's own id."""
    assert any("aie review decide rev_1" in line for line in explain_text(waiting))


def test_an_erased_run_says_so(decided: Explanation):
    """Before anything else."""
    lines = explain_text(replace(decided, erased=True, case="", output=None, evidence=(), dropped=()))
    assert any("was erased" in line for line in lines[:4])
