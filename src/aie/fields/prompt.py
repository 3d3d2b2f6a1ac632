"""Fields by prompt: what a chat model is asked, and where what it quotes stands in the source.

A model does not give values. It gives quotes, each with how sure it is; a quote that stands in the source becomes a
candidate like any other, and the locked normaliser makes the value of it. A quote that stands nowhere is reported.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from aie.config import FieldSpec
from aie.core import JSON
from aie.fields.contract import SURE, Candidate, Source
from aie.fields.normalise import LONGEST_QUOTE
from aie.fields.normalise.folding import fold

__all__ = ["TEMPLATE", "Located", "answer_schema", "describe", "locate"]

TEMPLATE: Final = b"""Find the fields below in the document. For each value give the characters of the document
that state it, copied exactly: nothing left out, nothing added, nothing put right, as short as the value allows. Say how
sure you are as a whole number from 0 to 100. Where the document does not state a field, give null, or an empty list
where several values are asked for. Do not conclude what is not written.

Fields:
{{ fields }}

Document:
{{ document }}
"""
"""Prompt of extractor files that name none; its slots are those that any such prompt has."""

_PERCENT: Final = SURE // 100
_HOW: Final[Mapping[str, str]] = {
    "date": "a day",
    "duration": "a number of days, weeks, months or years",
    "money": "an amount of money with its currency",
    "name": "the name of a person or organisation",
    "decimal": "a number",
    "integer": "a whole number",
    "text": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """What a model's answer comes to."""

    candidates: tuple[Candidate, ...]
    unfounded: tuple[tuple[str, str], ...]
    """Field and quote of what does not stand in the source."""


def describe(finds: Mapping[str, FieldSpec]) -> str:
    """Return the fields in words, a line each."""
    return "\n".join(_described(name, field) for name, field in sorted(finds.items()))


def _described(name: str, field: FieldSpec) -> str:
    if field.type == "choice":
        how = f"one of {', '.join(sorted(field.choices))}, as the document writes it"
    else:
        how = _HOW[field.type]
    what = f"{field.what}: " if field.what else ""
    return f"- {name}: {what}{how}{'; every one that there is' if field.many else ''}"


def answer_schema(finds: Mapping[str, FieldSpec]) -> dict[str, JSON]:
    """Return the JSON Schema of an answer: for each field a quote or null, or a list of quotes."""
    quote: dict[str, JSON] = {
        "quote": {"type": "string", "description": "Characters of the document, copied exactly"},
        "sure": {"type": "integer", "minimum": 0, "maximum": 100, "description": "How sure you are"},
    }
    one: dict[str, JSON] = {"properties": quote, "required": ["quote", "sure"], "additionalProperties": False}
    fields: dict[str, JSON] = {
        name: (
            {"type": "array", "items": {"type": "object", **one}, "description": field.what or name}
            if field.many
            else {"type": ["object", "null"], **one, "description": field.what or name}
        )
        for name, field in sorted(finds.items())
    }
    names: list[JSON] = [*sorted(finds)]
    return {"type": "object", "properties": fields, "required": names, "additionalProperties": False}


def locate(finds: Mapping[str, FieldSpec], answer: JSON, source: Source) -> Located:
    """Return the candidates that an answer makes.

    A quote stands where its words stand: exactly if it does so anywhere, else whatever the white space, case and kinds
    of quotation marks between them. Of several places the first is taken.
    """
    candidates: list[Candidate] = []
    unfounded: list[tuple[str, str]] = []
    folded = fold(source.text)
    for name, quote, sure in _quotes(finds, cast("Mapping[str, Any]", answer)):
        place = _place(quote, source.text, folded)
        if place is None:
            unfounded.append((name, quote))
        else:
            start, end = place
            candidates.append(Candidate(field=name, start=start, end=end, confidence=sure * _PERCENT))
    return Located(candidates=tuple(candidates), unfounded=tuple(unfounded))


def _quotes(finds: Mapping[str, FieldSpec], answer: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    for name in sorted(finds):
        given = answer[name]
        for each in given if isinstance(given, list) else [] if given is None else [given]:
            yield name, each["quote"], each["sure"]


def _place(quote: str, text: str, folded: str) -> tuple[int, int] | None:
    words = quote.split()
    if not words or len(quote) > LONGEST_QUOTE:
        return None
    # The quote `1 year` does not stand in `21 years`: where it begins or ends with a letter or digit, so must a word.
    before = r"(?<!\w)" if words[0][0].isalnum() else ""
    after = r"(?!\w)" if words[-1][-1].isalnum() else ""
    found = re.search(before + re.escape(quote.strip()) + after, text)
    if found is None:
        loosely = r"\s+".join(re.escape(fold(word)) for word in words)
        found = re.search(before + loosely + after, folded)
    return None if found is None else found.span()
