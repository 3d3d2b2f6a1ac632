"""The context layer: from a text to the passages worth their tokens."""

from typing import Final, cast

from aie.config import (
    AnyType,
    ContextStep,
    IntType,
    ListType,
    NullableType,
    ObjectType,
    Site,
    StepSpec,
    TextType,
    Type,
    fits,
)
from aie.core import JSON, Cite
from aie.errors import Failure, StepFailure
from aie.layers.context.passages import SEPARATOR, Passage, pack, rank, split
from aie.layers.port import Compiled, LayerName, Result, Task, Tools

__all__ = ["ContextLayer"]

_RECIPES: Final = ("passages",)
_SIZE: Final = 1_000
"""Characters of a passage at most."""
_SHARE_OF_BUDGET: Final = 3
"""A small budget gets smaller passages: at least about this many must fit."""
_CHARACTERS_A_TOKEN: Final = 3
_SMALLEST: Final = 40

_PASSAGE: Final = ObjectType(
    {"id": TextType(), "text": TextType(), "page": NullableType(IntType()), "start": IntType(), "end": IntType()},
    frozenset({"id", "text", "page", "start", "end"}),
)
_OUTPUT: Final = ObjectType({"passages": ListType(_PASSAGE), "text": TextType()}, frozenset({"passages", "text"}))
_WANTED: Final = ObjectType({"text": TextType()}, frozenset({"text"}), open=True)


class ContextLayer:
    """Chooses passages.

    Output: `{passages: [{id, text, page, start, end}], text}`. `text` is the passages in the order of the source, a
    blank line between them; every passage is verbatim `source[start:end]`. The report lists what was dropped.
    """

    name: LayerName = "context"
    version: int = 1

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `context` step."""
        assert isinstance(step, ContextStep)
        if step.context not in _RECIPES:
            site.unknown("context", step.context, _RECIPES, "recipe")
        given = site.expression("from", step.from_)
        if given is None or step.context not in _RECIPES:
            return None
        why = _unreadable(given)
        if why is not None:
            site.problem("bad-type", "from", why, "name an extract step, or a text")
            return None
        return Compiled(
            conduct="pure",
            inputs={"from": step.from_},
            config={"recipe": step.context, "query": step.query, "fit": step.fit, "size": _size(step.fit)},
            components=(),
            output=_OUTPUT,
            failures=frozenset({Failure.TOO_LARGE, Failure.INVALID_INPUT}),
        )

    def run(self, task: Task, tools: Tools) -> Result:
        """Choose the passages.

        Raises:
            StepFailure: INVALID_INPUT for something without text, TOO_LARGE when not even one passage fits.
        """
        source = task.inputs["from"]
        text, pages = _text(source.data)
        budget = cast("int", task.config["fit"])
        ranked = rank(split(text, cast("int", task.config["size"])), cast("str", task.config["query"]))
        packed = pack(ranked, budget)
        if ranked and not packed.kept:
            raise StepFailure(Failure.TOO_LARGE, f"no passage fits {budget} tokens", hints=("raise `fit`",))
        kept: list[JSON] = [_shown(passage, pages) for passage in packed.kept]
        return Result(
            data={"passages": kept, "text": SEPARATOR.join(passage.text for passage in packed.kept)},
            cites=tuple(
                Cite(
                    path=f"/passages/{position}",
                    source=source.ref,
                    start=passage.start,
                    end=passage.end,
                    quote=passage.text,
                    page=_page(passage.start, pages),
                )
                for position, passage in enumerate(packed.kept)
            ),
            report={
                "budget": budget,
                "tokens": packed.tokens,
                "kept": [passage.id for passage in packed.kept],
                "dropped": [
                    {"id": each.id, "page": _page(each.start, pages), "start": each.start, "end": each.end}
                    for each in packed.dropped
                ],
            },
        )


def _size(fit: int) -> int:
    return max(_SMALLEST, min(_SIZE, fit * _CHARACTERS_A_TOKEN // _SHARE_OF_BUDGET))


def _unreadable(given: Type) -> str | None:
    return None if isinstance(given, TextType | AnyType) else fits(given, _WANTED)


def _text(data: JSON) -> tuple[str, list[dict[str, int]]]:
    match data:
        case str(text):
            return text, []
        case {"text": str(text), **rest}:
            pages = rest.get("pages")
            return text, cast("list[dict[str, int]]", pages) if isinstance(pages, list) else []
        case _:
            raise StepFailure(Failure.INVALID_INPUT, "`from` holds no text")


def _page(start: int, pages: list[dict[str, int]]) -> int | None:
    """Return the page of a character; what stands between two pages belongs to the first."""
    found: int | None = None
    for page in pages:
        if page["start"] > start:
            break
        found = page["number"]
    return found


def _shown(passage: Passage, pages: list[dict[str, int]]) -> JSON:
    return {
        "id": passage.id,
        "text": passage.text,
        "page": _page(passage.start, pages),
        "start": passage.start,
        "end": passage.end,
    }
