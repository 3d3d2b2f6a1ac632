"""What a step sees of a value's evidence: the part that belongs to what it names."""

from types import SimpleNamespace

from aie.config import references, static_paths
from aie.core import Cite, Value
from aie.releases import Policy
from aie.runs.scope import Scope

QUOTE = "The rent is 900.00 EUR."


def cite(path, quote=QUOTE):
    return Cite(path=path, source="h1:doc", start=5, end=5 + len(quote), quote=quote, page=2)


def evaluate(text, **values):
    loaded = SimpleNamespace(roots=references, paths=static_paths, policy=Policy())
    return Scope(loaded=loaded, values=values).evaluate(text)  # type: ignore[arg-type]


def test_a_part_of_a_value_has_the_cites_of_its_place():
    """Their paths begin at the part."""
    fields = Value(data={"values": {"rent": "900.00 EUR", "ends": None}}, ref="h1:f", cites=(cite("/values/rent"),))
    assert evaluate("fields.values", fields=fields).cites == (cite("/rent"),)
    assert evaluate("fields.values.rent", fields=fields).cites == (cite(""),)
    assert evaluate("fields.values.ends", fields=fields).cites == ()


def test_a_text_made_of_passages_has_the_cites_that_it_quotes():
    """So that a prompt which gets only the text still maps to the document."""
    data = {"text": f"{QUOTE}\n\nMore.", "passages": []}
    passages = Value(data=data, ref="h1:p", cites=(cite("/passages/0"), cite("/passages/1", "Not in it.")))
    assert evaluate("passages.text", passages=passages).cites == (cite(""),)
    assert evaluate("size(passages.text)", passages=passages).cites == ()
