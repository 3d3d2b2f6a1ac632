"""The short form: `{context: passages, from: …, query: "loss date, amount", fit: 3000 tokens}`."""

from typing import Final, cast

from aie.config import ContextStep, IntType, ListType, NullableType, ObjectType, Site, TextType, Type
from aie.core import JSON, Cite
from aie.errors import Failure, StepFailure
from aie.layers.context.given import given_sources, refuse_unused
from aie.layers.context.passages import SEPARATOR, pack, rank, split
from aie.layers.context.selecting import page_at, read_text
from aie.layers.port import Compiled, Result, Task

__all__ = ["choose_passages", "compile_passages"]

_EXAMPLES: Final = {"query": 'query: "loss date, amount"', "fit": "fit: 3000 tokens"}
_SIZE: Final = 1_000
"""Characters of a passage at most."""
_SHARE_OF_BUDGET: Final = 3
"""A small budget gets smaller passages: at least about this many must fit."""
_CHARACTERS_A_TOKEN: Final = 3
_SMALLEST: Final = 40

_FIELDS: Final[dict[str, Type]] = {
    "id": TextType(),
    "text": TextType(),
    "page": NullableType(IntType()),
    "start": IntType(),
    "end": IntType(),
}
_PASSAGE: Final = ObjectType(_FIELDS, frozenset(_FIELDS))
_OUTPUT: Final = ObjectType({"passages": ListType(_PASSAGE), "text": TextType()}, frozenset({"passages", "text"}))


def compile_passages(step: ContextStep, site: Site) -> Compiled | None:
    """Compile a step that ranks passages by the words of a query."""
    unused = refuse_unused(step, site, ("size", "at_most"))
    inputs = given_sources(step, site, several=False)
    for key in ("query", "fit"):
        if getattr(step, key) is None:
            site.problem("missing-key", "", f"`passages` needs `{key}`", f"add {_EXAMPLES[key]}")
    if unused or inputs is None or step.query is None or step.fit is None:
        return None
    return Compiled(
        conduct="pure",
        inputs=inputs,
        config={"kind": "passages", "query": step.query, "fit": step.fit, "size": _size(step.fit)},
        components=(),
        output=_OUTPUT,
        failures=frozenset({Failure.TOO_LARGE, Failure.INVALID_INPUT}),
    )


def choose_passages(task: Task) -> Result:
    """Choose the passages.

    Raises:
        StepFailure: INVALID_INPUT for something without text, TOO_LARGE when not even one passage fits.
    """
    value = task.inputs["from"]
    source = read_text("from", value.ref, value.data)
    budget = cast("int", task.config["fit"])
    ranked = rank(split(source.text, cast("int", task.config["size"])), cast("str", task.config["query"]))
    packed = pack(ranked, budget)
    if ranked and not packed.kept:
        raise StepFailure(Failure.TOO_LARGE, f"no passage fits {budget} tokens", hints=("raise `fit`",))
    pages = {each.id: page_at(source.pages, each.start) for each in ranked}
    places: dict[str, dict[str, JSON]] = {
        each.id: {"id": each.id, "page": pages[each.id], "start": each.start, "end": each.end} for each in ranked
    }
    return Result(
        data={
            "passages": [{**places[each.id], "text": each.text} for each in packed.kept],
            "text": SEPARATOR.join(each.text for each in packed.kept),
        },
        cites=tuple(
            Cite(
                path=f"/passages/{position}",
                source=value.ref,
                start=each.start,
                end=each.end,
                quote=each.text,
                page=pages[each.id],
            )
            for position, each in enumerate(packed.kept)
        ),
        report={
            "budget": budget,
            "tokens": packed.tokens,
            "counted_by": "estimate",
            "kept": [each.id for each in packed.kept],
            "dropped": [places[each.id] for each in packed.dropped],
        },
    )


def _size(fit: int) -> int:
    return max(_SMALLEST, min(_SIZE, fit * _CHARACTERS_A_TOKEN // _SHARE_OF_BUDGET))
