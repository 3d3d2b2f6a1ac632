"""The one form in which fields are handed on, whatever found them.

    values:    {amount: "100.00 USD", party: ["A Ltd", "B Inc"], term: null}
    found:     {amount: {value, quote, page, start, end, confidence, accepted, others}, party: [{…}, {…}], term: null}
    accepted:  every required field is there, every value is accepted, nothing conflicts
    missing:   required fields without a value;  doubtful: fields with a value that is not accepted
    conflicts: fields for which several places give different values

`quote` is verbatim `source.text[start:end]` and `normalise(spec, quote) = value`: both are checked again by the
grounding check, which uses the same pinned description of the field.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast

from aie.config import (
    BoolType,
    DecimalType,
    FieldSpec,
    FieldType,
    IntType,
    ListType,
    NullableType,
    ObjectType,
    TextType,
    Type,
    value_type,
)
from aie.core import JSON, Cite
from aie.fields.normalise import normalise
from aie.fields.normalise.folding import fold

__all__ = [
    "SURE",
    "Candidate",
    "FieldSpec",
    "FieldType",
    "Page",
    "Source",
    "assemble",
    "cites_of",
    "fields_type",
    "merge",
]

SURE: Final = 10_000
"""Scores and confidences are integers of ten-thousandths; on the wire a decimal of four digits."""
_OTHERS: Final = 5
"""Competing values that are kept of one field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a source."""

    number: int
    """1-based."""
    start: int
    """First character in the source's text."""
    end: int
    """One past the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What fields are found in: the value of an extract step, or of anything with a text."""

    text: str
    pages: tuple[Page, ...] = ()
    lines: tuple[Mapping[str, JSON], ...] = ()
    """Lines with their boxes where the document came as such: `{start, end, page, box: [x1, y1, x2, y2]}`."""
    offset: int = 0
    """Where the text begins in the document that it is a part of; what is found has the document's places."""

    @classmethod
    def of(cls, data: JSON) -> "Source | None":
        """Read the value of a step, or a section or passage of one; None when it holds no text.

        A part says with `start` where it stands; its pages have the places of the whole document.
        """
        if isinstance(data, str):
            return cls(text=data)
        if not isinstance(data, dict) or not isinstance(data.get("text"), str):
            return None
        text, start = cast("str", data["text"]), data.get("start")
        offset = start if isinstance(start, int) else 0
        pages = cast("Sequence[Mapping[str, int]]", data.get("pages") or ())
        lines = cast("Sequence[Mapping[str, JSON]]", data.get("lines") or ())
        return cls(
            text=text,
            pages=tuple(_page_of(each, offset, len(text)) for each in pages),
            lines=tuple(lines),
            offset=offset,
        )

    def page(self, start: int) -> int | None:
        """Return the number of the page on which a character stands; None for a text without pages."""
        found: int | None = None
        for page in self.pages:
            if page.start > start:
                break
            found = page.number
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stretch of the source that an extractor takes for a field's value."""

    field: str
    start: int
    end: int
    confidence: int
    """Ten-thousandths; calibrated where the extractor was."""


def _page_of(page: Mapping[str, int], offset: int, length: int) -> Page:
    """Return a page by its places in a part of the document."""
    start, end = (max(0, min(length, page[edge] - offset)) for edge in ("start", "end"))
    return Page(number=page["number"], start=start, end=end)


def fields_type(finds: Mapping[str, FieldSpec]) -> ObjectType:
    """Return the type of a fields value."""
    values: dict[str, Type] = {}
    found: dict[str, Type] = {}
    for name, spec in finds.items():
        one = value_type(spec)
        place = _found_type(one)
        values[name] = ListType(one) if spec.many else NullableType(one)
        found[name] = ListType(place) if spec.many else NullableType(place)
    names = ListType(TextType(tuple(sorted(finds))))
    fields: dict[str, Type] = {
        "values": ObjectType(values, frozenset(values)),
        "found": ObjectType(found, frozenset(found)),
        "accepted": BoolType(),
        "missing": names,
        "doubtful": names,
        "conflicts": names,
    }
    return ObjectType(fields, frozenset(fields))


def _found_type(value: Type) -> ObjectType:
    place: dict[str, Type] = {
        "value": value,
        "quote": TextType(),
        "page": NullableType(IntType()),
        "start": IntType(),
        "end": IntType(),
        "confidence": DecimalType(),
    }
    fields: dict[str, Type] = {
        **place,
        "accepted": BoolType(),
        "others": ListType(ObjectType(place, frozenset(place))),
    }
    return ObjectType(fields, frozenset(fields))


def same(spec: FieldSpec, value: JSON) -> str:
    """Return what is equal for two values that mean the same: names are compared by letters and digits alone."""
    if spec.type == "name":
        return "".join(each for each in fold(str(value)) if each.isalnum())
    return repr(value)


def assemble(finds: Mapping[str, FieldSpec], candidates: Iterable[Candidate], source: Source) -> dict[str, JSON]:
    """Return the fields value that these candidates make.

    A candidate whose quote does not normalise is no value, nor is one less sure than the field's `keep`. Of the
    candidates of a single field the surest
    wins, the first in the text among equals; other values stay beside it. Equal values of a `many` field are one.
    """
    places: dict[str, list[dict[str, Any]]] = {name: [] for name in finds}
    for each in candidates:
        quote = source.text[each.start : each.end]
        value = normalise(finds[each.field], quote)
        if value is not None and each.confidence >= Decimal(finds[each.field].keep) * SURE:
            places[each.field].append(
                {
                    "value": value,
                    "quote": quote,
                    "page": source.page(each.start),
                    "start": source.offset + each.start,
                    "end": source.offset + each.end,
                    "confidence": _decimal(each.confidence),
                }
            )
    return _chosen(finds, places, conflicting=False)


def merge(finds: Mapping[str, FieldSpec], parts: Iterable[Mapping[str, Any]]) -> dict[str, JSON]:
    """Return one fields value for the fields values of several parts of a document, whose offsets are of the whole.

    Nothing is thrown away on the quiet: of a single field with different values in several parts the surest wins, the
    others stay beside it, and the field is named in `conflicts`.
    """
    places: dict[str, list[dict[str, Any]]] = {name: [] for name in finds}
    for part in parts:
        for name in finds:
            found = part["found"].get(name)
            for each in found if isinstance(found, list) else [] if found is None else [found]:
                places[name].append(
                    {key: each[key] for key in ("value", "quote", "page", "start", "end", "confidence")}
                )
                places[name].extend(each["others"])
    return _chosen(finds, places, conflicting=True)


def cites_of(fields: Mapping[str, Any], source: str) -> tuple[Cite, ...]:
    """Return a cite for each value of a fields value; `source` is the reference of what it was found in."""
    cites = []
    for name, found in fields["found"].items():
        many = isinstance(found, list)
        for position, each in enumerate(found if many else [] if found is None else [found]):
            path = f"/values/{name}/{position}" if many else f"/values/{name}"
            cites.append(
                Cite(
                    path=path,
                    source=source,
                    start=each["start"],
                    end=each["end"],
                    quote=each["quote"],
                    page=each["page"],
                )
            )
    return tuple(cites)


def _chosen(
    finds: Mapping[str, FieldSpec], places: Mapping[str, list[dict[str, Any]]], *, conflicting: bool
) -> dict[str, JSON]:
    values: dict[str, JSON] = {}
    found: dict[str, JSON] = {}
    missing: list[JSON] = []
    doubtful: list[JSON] = []
    conflicts: list[JSON] = []
    for name, spec in finds.items():
        best = _best(spec, places[name])
        kept = sorted(best, key=lambda each: int(each["start"])) if spec.many else best[:1]
        others = [] if spec.many else best[1 : 1 + _OTHERS]
        made = [
            {**each, "accepted": Decimal(each["confidence"]) >= Decimal(spec.accept), "others": others} for each in kept
        ]
        values[name] = [each["value"] for each in made] if spec.many else made[0]["value"] if made else None
        found[name] = cast("JSON", made if spec.many else made[0] if made else None)
        if not made and spec.required:
            missing.append(name)
        if not all(each["accepted"] for each in made):
            doubtful.append(name)
        if conflicting and others:
            conflicts.append(name)
    return {
        "values": values,
        "found": found,
        "accepted": not (missing or doubtful or conflicts),
        "missing": missing,
        "doubtful": doubtful,
        "conflicts": conflicts,
    }


def _best(spec: FieldSpec, places: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one place for each value, its surest, the surest value first; equal ones in the order of the text."""
    ranked = sorted(places, key=lambda each: (-Decimal(each["confidence"]), int(each["start"]), int(each["end"])))
    best: dict[str, dict[str, Any]] = {}
    for each in ranked:
        best.setdefault(same(spec, each["value"]), each)
    return list(best.values())


def _decimal(confidence: int) -> str:
    return f"{Decimal(max(0, min(SURE, confidence))) / SURE:.4f}"
