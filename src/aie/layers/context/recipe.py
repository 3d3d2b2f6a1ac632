"""Steps that name a recipe file: `{context: recipes/NAME.yaml, from: …, fit: 3000 tokens}`."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, cast

from aie.config import ContextStep, IntType, ListType, NullableType, ObjectType, RecipeSpec, Site, TextType, Type
from aie.core import JSON, Cite
from aie.errors import Failure, StepFailure
from aie.layers.context.given import given_sources, refuse_unused
from aie.layers.context.packing import SEPARATOR, Chosen, Stretch, choose
from aie.layers.context.ranking import Scores, rank
from aie.layers.context.selecting import Part, Text, page_at, read_text, select
from aie.layers.port import Compiled, Component, Result, Task, Tools

__all__ = ["RECIPE", "compile_recipe", "run_recipe"]

RECIPE: Final = "recipe"
"""Kind of these steps in their configuration."""
_TOLD_APART: Final = 200
"""Dropped passages that are listed one by one; those of lower rank stand together where they stand together."""
_THOUSAND: Final = 1_000

_FIELDS: Final[dict[str, Type]] = {
    "id": TextType(),
    "source": TextType(),
    "heading": NullableType(TextType()),
    "text": TextType(),
    "page": NullableType(IntType()),
    "start": IntType(),
    "end": IntType(),
}
_PASSAGE: Final = ObjectType(_FIELDS, frozenset(_FIELDS))
_OUTPUT: Final = ObjectType({"passages": ListType(_PASSAGE), "text": TextType()}, frozenset({"passages", "text"}))


def compile_recipe(step: ContextStep, site: Site) -> Compiled | None:
    """Compile a step that names a recipe file."""
    unused = refuse_unused(step, site, ("query", "size", "at_most"))
    inputs = given_sources(step, site)
    written = site.written("context", step.context, RecipeSpec)
    if step.fit is None:
        site.problem("missing-key", "", "a recipe needs `fit`", "add fit: 3000 tokens")
    if unused or written is None or inputs is None or step.fit is None:
        return None
    inside = site.inside(written.source)
    unknown = [name for name in written.spec.pack.quotas if name not in step.from_]
    for name in unknown:
        inside.unknown(f"pack.quotas.{name}", name, step.from_, "source")
    if unknown:
        return None
    return Compiled(
        conduct="pure",
        inputs=inputs,
        config={
            "kind": RECIPE,
            "recipe": f"recipe:{step.context}",
            "sources": list(step.from_),
            "fit": step.fit,
        },
        components=(Component(kind="recipe", name=step.context, content=written.spec.pinned()),),
        output=_OUTPUT,
        failures=frozenset({Failure.TOO_LARGE, Failure.INVALID_INPUT}),
    )


def run_recipe(task: Task, tools: Tools) -> Result:
    """Choose the passages.

    Raises:
        StepFailure: INVALID_INPUT for something without text, TOO_LARGE when not even one passage fits or there are
            more than can be ranked.
    """
    recipe: RecipeSpec = tools.cache(cast("str", task.config["recipe"]), RecipeSpec.read)
    names = cast("list[str]", task.config["sources"])
    given = [task.inputs[key] for key in sorted(task.inputs)]
    sources = [read_text(name, value.ref, value.data) for name, value in zip(names, given, strict=True)]
    parts = select(sources, recipe.select)
    scores = rank(parts, recipe.rank)
    budget = cast("int", task.config["fit"])
    chosen = choose(sources, parts, scores, budget=budget, diversify=recipe.diversify, pack=recipe.pack)
    if parts and not chosen.stretches:
        raise StepFailure(Failure.TOO_LARGE, f"no passage fits {budget} tokens", hints=("raise `fit`",))
    return Result(
        data=_packed(sources, parts, chosen),
        cites=tuple(_cites(sources, chosen.stretches)),
        report={
            "budget": budget,
            "tokens": chosen.tokens,
            "counted_by": "estimate",
            "passages": len(parts),
            "kept": _kept(parts, scores, chosen),
            "dropped": list(_dropped(sources, parts, scores, chosen)),
        },
    )


def _packed(sources: Sequence[Text], parts: Sequence[Part], chosen: Chosen) -> JSON:
    passages: list[JSON] = []
    texts: list[str] = []
    for each in chosen.stretches:
        source = sources[each.source]
        text = source.text[each.start : each.end]
        inside = [p.id for p in parts if p.source == each.source and each.start <= p.start and p.end <= each.end]
        passages.append(
            {
                "id": inside[0] if len(inside) == 1 else f"{inside[0]}-{inside[-1]}",
                "source": source.name,
                "heading": None if each.heading is None else each.heading.text,
                "text": text,
                "page": page_at(source.pages, each.start),
                "start": each.start,
                "end": each.end,
            }
        )
        texts += [text] if each.heading is None else [each.heading.text, text]
    return {"passages": passages, "text": SEPARATOR.join(texts)}


def _cites(sources: Sequence[Text], stretches: Sequence[Stretch]) -> Iterator[Cite]:
    for position, each in enumerate(stretches):
        source = sources[each.source]
        if each.heading is not None:
            start, end = each.heading.start, each.heading.end
            yield _cite(f"/passages/{position}/heading", source, start, end)
        yield _cite(f"/passages/{position}", source, each.start, each.end)


def _cite(path: str, source: Text, start: int, end: int) -> Cite:
    page = page_at(source.pages, start)
    return Cite(path=path, source=source.ref, start=start, end=end, quote=source.text[start:end], page=page)


def _kept(parts: Sequence[Part], scores: Scores, chosen: Chosen) -> list[JSON]:
    ranks = {at: rank for rank, at in enumerate(chosen.order, 1)}
    kept = [at for at in sorted(chosen.fates, key=ranks.__getitem__) if chosen.fates[at].kept]
    return [{"id": parts[at].id, **_fate(parts, scores, chosen, at, ranks[at])} for at in kept]


def _dropped(sources: Sequence[Text], parts: Sequence[Part], scores: Scores, chosen: Chosen) -> Iterator[JSON]:
    """Yield every dropped passage: the best by rank, then the others, those side by side as one."""
    ranks = {at: rank for rank, at in enumerate(chosen.order, 1)}
    dropped = [at for at in chosen.order if not chosen.fates[at].kept]
    single = [at for at in dropped if chosen.fates[at].why != "no match"][:_TOLD_APART]
    for at in single:
        yield {**_place(sources, parts, at, at), **_fate(parts, scores, chosen, at, ranks[at])}
    told = frozenset(single)
    rest = sorted(at for at in dropped if at not in told)
    for _, run in groupby(enumerate(rest), lambda each: (each[1] - each[0], chosen.fates[each[1]].why)):
        run_of = [at for _, at in run]
        first, last = run_of[0], run_of[-1]
        if parts[first].source != parts[last].source:
            for at in run_of:
                yield {**_place(sources, parts, at, at), **_fate(parts, scores, chosen, at, ranks[at])}
            continue
        best = min(run_of, key=ranks.__getitem__)
        yield {**_place(sources, parts, first, last), **_fate(parts, scores, chosen, best, ranks[best])}


def _place(sources: Sequence[Text], parts: Sequence[Part], first: int, last: int) -> dict[str, JSON]:
    one, other = parts[first], parts[last]
    return {
        "id": one.id if first == last else f"{one.id}-{other.id}",
        "source": sources[one.source].name,
        "page": page_at(sources[one.source].pages, one.start),
        "start": one.start,
        "end": other.end,
    }


def _fate(parts: Sequence[Part], scores: Scores, chosen: Chosen, at: int, rank: int) -> dict[str, JSON]:
    fate = chosen.fates[at]
    score = scores.total[at]
    of: dict[str, JSON] = {} if fate.of is None else {"of": parts[fate.of].id}
    return {"rank": rank, "score": f"{score // _THOUSAND}.{score % _THOUSAND:03}", "why": fate.why, **of}
