"""Context recipes: what is chosen, why, and what of it can be relied on for any text."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aie.config import RecipeSpec
from aie.core import Cite, Value
from aie.errors import Failure, StepFailure
from aie.layers.context.headings import find_headings
from aie.layers.context.packing import SEPARATOR
from aie.layers.context.recipe import run_recipe
from aie.layers.context.sections import run_sections
from aie.layers.context.tokens import estimate_tokens

TEXTS = st.text(st.sampled_from("ab cd\n.é漢 -1 A."), max_size=500)
# Invented.
LEASE = """\
1. Term. This lease begins in May and ends after five years. Either party may extend it once.

2. Rent. The yearly rent is 900.00 EUR, to be paid in advance. The rent never rises.

3. Notice. A notice of termination is written and sent by post. It ends the lease after three months.

4. Repairs. Small repairs are the tenant's business, and the landlord sees to the roof.

5. Law. This lease is governed by the laws of Larkland."""


def run(task, world, recipe, *texts, fit=60, pages=()):
    """Choose from texts by a recipe; sources are named `a`, then `b`."""
    spec = RecipeSpec.model_validate(recipe)
    world.components["recipe:r"] = spec.pinned()
    names = [chr(ord("a") + at) for at in range(len(texts))]
    keys = ["from"] if len(texts) == 1 else [f"from{at:02}" for at in range(len(texts))]
    values = {
        key: Value(data={"text": text, "pages": list(pages)}, ref=f"h1:{name}")
        for key, name, text in zip(keys, names, texts, strict=True)
    }
    config = {"kind": "recipe", "recipe": "recipe:r", "sources": names, "fit": fit}
    return run_recipe(task(config, **values), world.tools())


def recipe(*words, **parts):
    return {"rank": {"queries": [{"any": list(words)}]}, **parts}


SELECTS = st.builds(dict, by=st.sampled_from(["paragraphs", "sections"]), size=st.just(40), overlap=st.integers(0, 20))
PACKS = st.builds(dict, neighbours=st.integers(0, 2), headings=st.booleans())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.tuples(TEXTS, st.integers(5, 200), SELECTS, PACKS, st.sampled_from([100, 60])))
def test_what_is_packed_is_verbatim_within_the_budget_and_fully_told(task, world, drawn):
    """For any text and settings: quotes stand where they say, and every passage is kept or dropped with a reason."""
    text, fit, select, pack, relevance = drawn
    written = recipe("ab", "cd a", select=select, pack=pack, diversify={"relevance": relevance})
    try:
        result = run(task, world, written, text, fit=fit)
    except StepFailure as error:
        assert error.failure is Failure.TOO_LARGE
        return
    for each in result.data["passages"]:
        assert text[each["start"] : each["end"]] == each["text"]
    assert all(text[cite.start : cite.end] == cite.quote for cite in result.cites)
    assert estimate_tokens(result.data["text"]) <= result.report["tokens"] <= fit
    told = [each for entry in (*result.report["kept"], *result.report["dropped"]) for each in _numbers(entry["id"])]
    assert sorted(told) == list(range(1, result.report["passages"] + 1))
    assert result == run(task, world, written, text, fit=fit)


def _numbers(name):
    first, _, last = name.partition("-")
    return range(int(first[1:]), int((last or first)[1:]) + 1)


def test_phrases_weights_stems_and_synonyms_rank(task, world):
    """A phrase asks for its words beside each other; a stem finds other forms; a synonym stands for its word."""
    assert _first(run(task, world, recipe("governed by", select={"by": "sections"}), LEASE, fit=30)) == "5. Law"
    stem = recipe("terminates", select={"by": "sections"})
    assert _first(run(task, world, stem | {"rank": stem["rank"] | {"stem": "english"}}, LEASE, fit=40)) == "3. Notice"
    other = recipe("annual fee", select={"by": "sections"})
    other["rank"]["synonyms"] = {"annual": ["yearly"], "fee": ["rent"]}
    assert run(task, world, other, LEASE, fit=40).report["kept"][0]["score"] == "0.000"  # one word at a time
    other["rank"]["queries"] = [{"any": ["annual", "fee"]}]
    assert _first(run(task, world, other, LEASE, fit=40)) == "2. Rent"
    both = {"rank": {"queries": [{"any": ["roof"]}, {"any": ["laws"], "weight": 9}]}, "select": {"by": "sections"}}
    assert _first(run(task, world, both, LEASE, fit=30)) == "5. Law"


def _first(result):
    best = result.report["kept"][0]["id"].removeprefix("p")
    return find_headings(LEASE)[int(best) - 1].text


def test_neighbours_join_to_one_stretch(task, world):
    """What stands side by side is handed on as it stands in the source, once."""
    result = run(task, world, recipe("rent", select={"size": 90}, pack={"neighbours": 1}), LEASE, fit=120)
    first = result.data["passages"][0]
    assert "\n\n2. Rent" in first["text"]
    assert "neighbour" in {each["why"] for each in result.report["kept"]}


def test_copies_of_a_better_passage_are_dropped_and_say_of_which(task, world):
    """The room goes to something else."""
    text = "\n\n".join(["The rent is nine hundred a year, as agreed."] * 3 + ["The roof is the landlord's."])
    result = run(task, world, recipe("rent", select={"size": 50}), text, fit=200)
    assert [each["why"] for each in result.report["dropped"]] == ["duplicate", "duplicate"]
    assert {each["of"] for each in result.report["dropped"]} == {"p1"}
    kept = run(task, world, recipe("rent", select={"size": 50}, diversify={"duplicates": 0}), text, fit=200)
    assert not kept.report["dropped"]


def test_the_best_of_each_query_come_first_where_the_recipe_says_so(task, world):
    """A rare question is not crowded out by a frequent one."""
    walls = [f"A garden wall of brick and stone, number {n}." for n in range(40)]
    rents = [f"Rent, rent and rent again, number {n} of many." for n in range(20)]
    text = "\n\n".join([*rents, *walls, "There is one law for all of them, and it is a good one."])
    queries = {"rank": {"queries": [{"any": ["rent"], "weight": 50}, {"any": ["law"]}]}, "select": {"size": 60}}
    assert "one law" not in run(task, world, queries, text, fit=60).data["text"]
    assert "one law" in run(task, world, queries | {"diversify": {"per_query": 1}}, text, fit=60).data["text"]


def test_a_quota_keeps_room_for_a_source_and_gives_back_what_it_leaves(task, world):
    """The second source has few matches, but its share."""
    many = "\n\n".join(f"The rent of house {n} is paid on time every single month." for n in range(30))
    few = "A word on the rent from the tenant, who is late."
    plain = recipe("rent", "house", "paid", select={"size": 60})
    assert "tenant" not in run(task, world, plain, many, few, fit=92).data["text"]
    shared = run(task, world, plain | {"pack": {"quotas": {"b": 40}}}, many, few, fit=92)
    assert {each["source"] for each in shared.data["passages"]} == {"a", "b"}
    assert shared.report["tokens"] > 75
    assert {each["id"].partition(".")[0] for each in shared.report["kept"]} == {"1", "2"}


def test_the_heading_above_a_passage_is_put_before_it_and_cited(task, world):
    """Where the recipe asks for it, and only when it is not in the passage."""
    text = "7. Insurance. " + "The tenant keeps the house in order. " * 4 + "The policy covers storms and hail."
    written = recipe("hail", select={"size": 60}, pack={"headings": True}, diversify={"duplicates": 0})
    result = run(task, world, written, text, fit=24)
    assert result.data["text"].startswith(f"7. Insurance{SEPARATOR}")
    assert Cite(path="/passages/0/heading", source="h1:a", start=0, end=12, quote="7. Insurance") in result.cites


def test_pages_are_those_of_the_source(task, world):
    """The page on which a passage begins."""
    pages = [{"number": 1, "start": 0, "end": 180}, {"number": 2, "start": 182, "end": len(LEASE)}]
    result = run(task, world, recipe("laws", select={"by": "pages", "size": 100}), LEASE, fit=30, pages=pages)
    assert result.data["passages"][0]["page"] == 2


def test_the_same_recipe_with_other_words_chooses_something_else(task, world):
    """The control: ranking is not the order of the text by another name."""
    law = run(task, world, recipe("laws", select={"by": "sections"}), LEASE, fit=45)
    rent = run(task, world, recipe("rent", select={"by": "sections"}), LEASE, fit=45)
    assert law.data["text"] != rent.data["text"]


def test_a_pinned_recipe_reads_back_with_every_default_written_out():
    """A later default does not change what a release does."""
    spec = RecipeSpec.model_validate(recipe("rent"))
    assert RecipeSpec.read(spec.pinned()) == spec
    assert json.loads(spec.pinned())["select"] == {"by": "paragraphs", "overlap": 0, "size": 1000}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, size=st.integers(20, 80))
def test_sections_are_all_of_the_text_in_order(task, text, size):
    """Bounded each, none over another, and nothing but white space between them."""
    config = {"kind": "sections", "size": size, "at_most": 1000}
    sections = run_sections(task(config, **{"from": Value(data=text, ref="h1:a")})).data["sections"]
    at = 0
    for each in sections:
        assert not text[at : each["start"]].strip()
        assert text[each["start"] : each["end"]] == each["text"]
        assert len(each["text"]) <= size
        at = each["end"]
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("7.2 Governing Law. This lease is short.", ["7.2 Governing Law"]),
        ("It ends. 12. Notice of Default. A notice is written.", ["12. Notice of Default"]),
        ("ARTICLE IV TERM\nIt runs for years.", ["ARTICLE IV TERM"]),
        ("LIMITATION OF LIABILITY\nNobody owes more.", ["LIMITATION OF LIABILITY"]),
        ("## Scope\nAll of it.", ["Scope"]),
        ("It was 12. May was warm and 3 Dogs barked at night in the street of the old town.", []),
        ("no heading at all here", []),
    ],
)
def test_headings_are_known_by_their_form(text, headings):
    """On lines of their own and in running text."""
    assert [each.text for each in find_headings(text)] == headings
