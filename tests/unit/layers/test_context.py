"""The context layer: passages within a budget, each of them verbatim from its source."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.core import Value
from aie.errors import Failure, StepFailure
from aie.layers import LAYERS
from aie.layers.context.passages import SEPARATOR, pack, rank, split
from aie.layers.context.tokens import estimate_tokens

TEXTS = st.text(st.sampled_from("ab cd\n.é漢🙂\t-1 "), max_size=600)
LETTER = """\
The house stands at the river and the weather was mild.

Our policy number is NG-4711 and the loss date was the second of May.

The neighbours were kind; the dog was not hurt.

The repair costs an amount of 430.00 USD, as the bill says."""


# Invented; with the tokens that the four vocabularies of the estimate count in them: `cl100k_base`, `o200k_base`, and
# Mistral's of 131,000 and of 32,000 tokens.
COUNTED = {
    """\
1. Term. This lease begins in May and ends after five years. Either party may extend it once.

2. Rent. The yearly rent is 900.00 EUR, to be paid in advance. The rent never rises.

3. Notice. A notice of termination is written and sent by post. It ends the lease after three months.

4. Repairs. Small repairs are the tenant's business, and the landlord sees to the roof.

5. Law. This lease is governed by the laws of Larkland.""": (107, 106, 110, 126),
    """\
KEDAI LARKFIELD SDN BHD (201634-P)
NO. 14, JALAN 7/21
TAX INVOICE 00041873
18-03-2018 11:23
PAPER A4 80G   2 X 11.90     23.80
TOTAL RM 25.23
CASH 30.00  CHANGE 4.77
""": (89, 89, 121, 123),
}


@pytest.mark.parametrize(("text", "counts"), COUNTED.items())
def test_the_estimate_is_above_every_vocabulary_and_not_far_above(text, counts):
    """At most a fifth above the one that counts most."""
    assert max(counts) <= estimate_tokens(text) <= max(counts) * 12 // 10


@given(text=TEXTS, size=st.integers(1, 200), budget=st.integers(1, 300), query=st.text(max_size=30))
def test_passages_are_verbatim_and_never_pass_the_budget(text, size, budget, query):
    """For any text, size, budget and query."""
    passages = split(text, size)
    assert all(text[each.start : each.end] == each.text for each in passages)
    assert all(len(each.text) <= size for each in passages)
    assert all(one.end <= other.start for one, other in pairwise(passages))
    packed = pack(rank(passages, query), budget)
    assert packed.tokens <= budget
    assert estimate_tokens(SEPARATOR.join(each.text for each in packed.kept)) <= budget
    assert [each.start for each in packed.kept] == sorted(each.start for each in packed.kept)
    assert sorted([*packed.kept, *packed.dropped], key=lambda each: each.start) == passages


def test_an_estimate_that_counts_too_little_passes_the_budget(monkeypatch):
    """The control: with a tokenizer that sees nothing, the property above would fail."""
    monkeypatch.setattr("aie.layers.context.passages.estimate_tokens", lambda _: 0)
    packed = pack(split(LETTER, 80), 10)
    assert estimate_tokens(SEPARATOR.join(each.text for each in packed.kept)) > 10


@given(text=TEXTS, query=st.text(max_size=30))
def test_the_same_text_and_query_have_one_order(text, query):
    """Ranking has no memory and no chance in it."""
    passages = split(text, 50)
    assert rank(passages, query) == rank(passages, query)


def test_the_sum_of_estimates_is_not_below_the_estimate_of_the_whole():
    """Or a packed text could pass its budget though its parts did not."""
    parts = [each.text for each in split(LETTER, 60)]
    whole = estimate_tokens(SEPARATOR.join(parts))
    assert whole <= sum(estimate_tokens(each) + estimate_tokens(SEPARATOR) for each in parts)


def test_what_the_query_asks_for_comes_first():
    """And what has none of its words stays in the order of the source, after it."""
    ranked = [each.id for each in rank(split(LETTER, 80), "policy number, loss date")]
    assert ranked[0] == "p2"
    assert ranked[1:] == ["p1", "p3", "p4"]


@pytest.mark.parametrize("query", ["", '" OR 1', "NEAR(policy, 2)", "policy NOT number", "text: policy", "***"])
def test_a_query_is_words_and_never_a_language(query):
    """Whatever a workflow asks for, the search does not fail on it."""
    assert len(rank(split(LETTER, 80), query)) == 4


def run(world, task, source, query="policy number", fit=60, size=80):
    config = {"kind": "passages", "query": query, "fit": fit, "size": size}
    return LAYERS["context"].run(task(config, **{"from": source}), world.tools())


def test_each_passage_cites_its_place_and_its_page(world, task):
    """A quote can be looked up where it was found."""
    pages = [{"number": 1, "start": 0, "end": 55}, {"number": 2, "start": 57, "end": len(LETTER)}]
    made = run(world, task, Value(data={"text": LETTER, "pages": pages}, ref="doc"), fit=32)
    (cite,) = made.cites
    assert (cite.source, cite.path, cite.page) == ("doc", "/passages/0", 2)
    assert LETTER[cite.start : cite.end] == cite.quote == made.data["text"] == made.data["passages"][0]["text"]


def test_the_report_says_what_was_dropped(world, task):
    """What a model did not see is part of the explanation."""
    made = run(world, task, LETTER, fit=32)
    assert made.report["kept"] == ["p2"]
    assert [each["id"] for each in made.report["dropped"]] == ["p1", "p3", "p4"]
    assert made.report["tokens"] <= made.report["budget"] == 32


def test_everything_is_kept_where_the_budget_allows(world, task):
    """Nothing is dropped for its own sake."""
    made = run(world, task, LETTER, fit=1_000, size=1_000)
    assert made.data["text"] == LETTER
    assert made.report["dropped"] == []


def test_a_budget_too_small_for_anything_is_a_failure(world, task):
    """An empty context would be answered with confidence."""
    with pytest.raises(StepFailure) as caught:
        run(world, task, LETTER, fit=2)
    assert caught.value.failure is Failure.TOO_LARGE


def test_a_source_without_text_is_refused(world, task):
    """A value of another shape has no passages."""
    with pytest.raises(StepFailure) as caught:
        run(world, task, {"label": "x"})
    assert caught.value.failure is Failure.INVALID_INPUT
