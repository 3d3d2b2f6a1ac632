"""What a reviewer sees of a found field: where it stands, how sure that is, and what speaks against it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from aie.config import ObjectType, Site, check_expression
from aie.core import JSON, Value

__all__ = ["evidence_of", "found_inputs"]

_PARTS: Final = frozenset({"values", "found", "conflicts"})
"""What tells the value of a step that finds fields from other objects."""
_VALUES: Final = "values"


def found_inputs(position: int, text: str, site: Site) -> Iterator[tuple[str, str]]:
    """Yield what stands beside found values: `terms.found` beside `terms.values`, `terms.found.party` for one of them.

    Args:
        position: of the expression among those to decide on.
        text: the expression as written.
        site: where it stands.
    """
    path = text.strip().split(".")
    one = path[-2:-1] == [_VALUES]
    owner = ".".join(path[: -2 if one else -1])
    if not owner or (path[-1] != _VALUES and not one):
        return
    type_ = check_expression(owner, site.scope).type
    if not isinstance(type_, ObjectType) or not type_.fields.keys() >= _PARTS:
        return
    for name, wanted in (
        ("found", f"{owner}.found{f'.{path[-1]}' if one else ''}"),
        ("conflicts", f"{owner}.conflicts"),
    ):
        if site.expression(f"of.{position}", wanted) is not None:
            yield f"{name}.{position}", wanted


def evidence_of(field: Mapping[str, JSON], inputs: Mapping[str, Value]) -> dict[str, JSON] | None:
    """Return confidence, quotes, other values and doubts of one field; None when it was not found in a source."""
    position, name, part = field["of"], cast("str", field["name"]), cast("str", field["part"])
    if f"found.{position}" not in inputs:
        return None
    data = cast("Any", inputs[f"found.{position}"].data)
    if part:
        data = None if data is None else data[part]
    places: list[dict[str, Any]] = data if isinstance(data, list) else [] if data is None else [data]
    conflicts = cast("list[str] | None", inputs[f"conflicts.{position}"].data) or []
    others = [each for place in places for each in place["others"]]
    return {
        "confidence": min((place["confidence"] for place in places), default=None),
        "why": _why(places, conflicting=name in conflicts),
        "alternatives": [{key: each[key] for key in ("value", "confidence", "quote", "page")} for each in others],
        "places": [
            {key: place[key] for key in ("value", "quote", "page", "start", "end", "confidence", "accepted")}
            for place in places
        ],
    }


def _why(places: list[dict[str, Any]], *, conflicting: bool) -> str:
    if not places:
        return "nothing was found"
    if conflicting:
        return "several parts of the document give different values"
    doubtful = [place for place in places if not place["accepted"]]
    if not doubtful:
        return ""
    if len(places) == 1:
        return "less sure than this field asks for"
    return f"{len(doubtful)} of {len(places)} values are less sure than this field asks for"
