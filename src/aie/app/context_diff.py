"""What another release would have shown a model: the contexts of two releases, built from one run's recorded values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from aie.app.opening import App
from aie.core import JSON, Cite, Labels, Value
from aie.errors import InputError, NotFound
from aie.layers import Tools
from aie.records.events import RunSubmitted
from aie.releases import find_release
from aie.runs import KnownCalls, Loaded, State, Tried, files_of, fold, item_path, recorded_values, try_step

__all__ = ["ContextChange", "Excerpt", "diff_contexts"]

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A stretch of a source that one of the two contexts has and the other lacks."""

    source: str
    """Reference of the value it stands in."""
    page: int | None
    start: int
    end: int
    text: str

    def to_json(self) -> dict[str, JSON]:
        """Return the form for `--format json`."""
        return {"source": self.source, "page": self.page, "start": self.start, "end": self.end, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChange:
    """One context step under both releases."""

    path: str
    before: str
    """`<tokens> tokens`, or why there is none."""
    after: str
    kept: int
    """Characters that both have."""
    moved: int
    """Passages that both have, in another order among themselves."""
    dropped: tuple[Excerpt, ...]
    """Only the first has them."""
    added: tuple[Excerpt, ...]
    """Only the second has them."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form for `--format json`."""
        return {
            "step": self.path,
            "before": self.before,
            "after": self.after,
            "kept_characters": self.kept,
            "moved": self.moved,
            "dropped": [each.to_json() for each in self.dropped],
            "added": [each.to_json() for each in self.added],
        }


def diff_contexts(app: App, one: str, other: str, run: str) -> tuple[ContextChange, ...]:
    """Return what the context steps of two releases choose from what a run recorded; nothing is recorded of it.

    Raises:
        NotFound: there is no such run or release.
        InputError: a release is of another workflow than the run.
    """
    recorded = app.store.read(run, tenant=app.tenant)
    if not recorded or not isinstance(recorded[0].event, RunSubmitted):
        raise NotFound(f"there is no run {run}", hints=("`aie runs` lists the runs",))
    own = app.services.releases.get(app.tenant, recorded[0].event.release)
    state, _ = fold(own.index, ((each.event, each.at) for each in recorded))
    before, after = (_loaded(app, name, recorded[0].event.workflow) for name in (one, other))
    paths = dict.fromkeys([*_paths(before, state), *_paths(after, state)])
    return tuple(_change(path, _try(app, before, state, path), _try(app, after, state, path)) for path in paths)


def _loaded(app: App, name: str, workflow: str) -> Loaded:
    row = find_release(app.store, name, tenant=app.tenant)
    loaded = app.services.releases.get(app.tenant, row.id)
    if loaded.index.plan.workflow != workflow:
        raise InputError(
            f"{name} is a release of {loaded.index.plan.workflow}, the run is one of {workflow}",
            hints=("name releases of the run's workflow",),
        )
    return loaded


def _paths(loaded: Loaded, state: State) -> Iterator[str]:
    """Yield the context steps of a release, those in maps for each item that the run recorded."""
    for name, node in loaded.index.nodes.items():
        if node.layer == "context":
            yield name
        for inner, step in loaded.index.bodies.get(name, {}).items():
            if step.layer == "context" and name in state.maps:
                yield from (item_path(name, key, inner) for key in state.maps[name].keys)


def _try(app: App, loaded: Loaded, state: State, path: str) -> Tried | str:
    """Return what the step makes of the recorded values, or why it makes nothing."""
    name = path.partition("[")[0]
    if name not in loaded.index.nodes or ("[" in path) != (name in loaded.index.bodies):
        return "no such step"
    if "[" in path and path.rpartition("/")[2] not in loaded.index.bodies[name]:
        return "no such step"
    try:
        values = recorded_values(loaded, state, path)
    except NotFound as error:
        return error.message
    tried = try_step(loaded, path, values, layers=app.services.layers, tools=lambda labels: _tools(loaded, labels))
    return tried if tried.came == "finished" else tried.failure or tried.message


def _tools(loaded: Loaded, labels: Labels) -> Tools:
    """Return ports that reach nothing: a context is made of values and components alone."""
    return Tools(
        files=files_of({}),
        attempts=KnownCalls({}, lambda _: ""),
        components=loaded.component,
        live=lambda _: {},
        secret=lambda _: "",
        cache=loaded.cached,
        labels=labels,
    )


def _change(path: str, before: Tried | str, after: Tried | str) -> ContextChange:
    had, has = _covered(before), _covered(after)
    sources = {**_sources(before), **_sources(after)}
    kept = sum(end - start for ref, places in had.items() for start, end in _both(places, has.get(ref, [])))
    return ContextChange(
        path=path,
        before=_said(before),
        after=_said(after),
        kept=kept,
        moved=_moved(_passages(before), _passages(after)),
        dropped=tuple(_only(had, has, sources)),
        added=tuple(_only(has, had, sources)),
    )


def _said(tried: Tried | str) -> str:
    if isinstance(tried, str):
        return tried
    report = tried.report if isinstance(tried.report, dict) else {}
    return f"{report['tokens']} tokens" if "tokens" in report else "all of it, in parts"


def _passages(tried: Tried | str) -> list[Cite]:
    return [] if isinstance(tried, str) else [cite for cite in tried.cites if not cite.path.endswith("/heading")]


def _covered(tried: Tried | str) -> dict[str, list[Span]]:
    """Return the places of a context by source, sorted and apart."""
    places: dict[str, list[Span]] = {}
    for cite in sorted(_passages(tried), key=lambda each: each.start):
        taken = places.setdefault(cite.source, [])
        if taken and cite.start <= taken[-1][1]:
            taken[-1] = (taken[-1][0], max(taken[-1][1], cite.end))
        else:
            taken.append((cite.start, cite.end))
    return places


def _sources(tried: Tried | str) -> dict[str, Value]:
    return {} if isinstance(tried, str) else {value.ref: value for value in tried.inputs.values()}


def _both(one: Sequence[Span], other: Sequence[Span]) -> Iterator[Span]:
    for start, end in one:
        for here, there in other:
            if max(start, here) < min(end, there):
                yield max(start, here), min(end, there)


def _only(
    one: Mapping[str, Sequence[Span]], other: Mapping[str, Sequence[Span]], sources: Mapping[str, Value]
) -> Iterator[Excerpt]:
    """Yield what the first covers and the second does not; white space alone is nothing."""
    for ref, places in one.items():
        text, pages = _read(sources.get(ref))
        for start, end in places:
            for here, there in _rest((start, end), other.get(ref, [])):
                if text[here:there].strip():
                    yield Excerpt(source=ref, page=_page(pages, here), start=here, end=there, text=text[here:there])


def _rest(place: Span, others: Sequence[Span]) -> Iterator[Span]:
    at, end = place
    for here, there in others:
        if at < min(end, here):
            yield at, min(end, here)
        at = max(at, there)
    if at < end:
        yield at, end


def _read(value: Value | None) -> tuple[str, Sequence[Mapping[str, int]]]:
    match value.data if value is not None else None:
        case str(text):
            return text, ()
        case {"text": str(text), **rest}:
            return text, cast("Sequence[Mapping[str, int]]", rest.get("pages") or ())
        case _:
            return "", ()


def _page(pages: Sequence[Mapping[str, int]], at: int) -> int | None:
    return next((page["number"] for page in reversed(pages) if page["start"] <= at), None)


def _moved(one: Sequence[Cite], other: Sequence[Cite]) -> int:
    """Return how many passages of both stand at another place among those of both."""
    places = [[(cite.source, cite.start, cite.end) for cite in cites] for cites in (one, other)]
    common = [[place for place in mine if place in places[1 - side]] for side, mine in enumerate(places)]
    return sum(here != there for here, there in zip(*common, strict=False))
