"""Keep what fits a budget: in a fixed order, nothing twice, and with a reason for every passage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from aie.config import DiversifySpec, PackSpec
from aie.layers.context.diversity import Copies, in_order
from aie.layers.context.headings import Heading
from aie.layers.context.ranking import Scores
from aie.layers.context.selecting import Part, Text
from aie.layers.context.tokens import estimate_tokens

__all__ = ["SEPARATOR", "Chosen", "Fate", "Stretch", "choose"]

SEPARATOR: Final = "\n\n"
"""Between the stretches of a packed text."""
_BETWEEN: Final = estimate_tokens(SEPARATOR)
_HUNDRED: Final = 100
_LONGEST_TOKEN: Final = 7
"""Characters a token at most on average: what is longer than the room left times this is not counted to see it."""

Why = Literal["rank", "query", "neighbour", "duplicate", "budget", "no match"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one passage."""

    kept: bool
    why: Why
    """rank, query: kept for its score, or as one of the best of a query. neighbour: kept beside `of`. duplicate: says
    what `of` says. budget: it did not fit any more. no match: the same, and nothing that is looked for is in it."""
    of: int | None = None
    """Position of the passage that this is because of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Passages that stand beside each other, put together as they stand in the source."""

    source: int
    start: int
    end: int
    heading: Heading | None
    """To be put before it; None when it stands in it, or the recipe asks for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What fits, and what became of every passage."""

    stretches: tuple[Stretch, ...]
    """In the order of the sources."""
    tokens: int
    """Estimated tokens of the packed text; never above the budget."""
    fates: Mapping[int, Fate]
    """By position."""
    order: tuple[int, ...]
    """Positions in the order in which they were offered."""


def choose(
    sources: Sequence[Text],
    parts: Sequence[Part],
    scores: Scores,
    *,
    budget: int,
    diversify: DiversifySpec,
    pack: PackSpec,
) -> Chosen:
    """Choose passages in their order as long as they fit; one that does not leaves room for smaller ones after it.

    Tokens that a quota kept for a source and that it did not use are offered to all in a second round.
    """
    order, best = in_order(parts, scores, diversify)
    packing = _Packing(sources=sources, parts=parts, pack=pack, budget=budget, quotas=pack.quotas)
    fates: dict[int, Fate] = {}
    copies = Copies(diversify.duplicates)
    for quotas in (pack.quotas, {}) if pack.quotas else ({},):
        packing.quotas = quotas
        for at in order:
            before = fates.get(at)
            if before is None or before.why in ("budget", "no match"):
                _offer(packing, at, fates, copies, best, scores)
    return Chosen(stretches=tuple(packing.stretches()), tokens=packing.spent, fates=fates, order=tuple(order))


def _offer(
    packing: "_Packing", at: int, fates: dict[int, Fate], copies: Copies, best: frozenset[int], scores: Scores
) -> None:
    if not packing.fits(at):
        fates[at] = Fate(kept=False, why="budget" if scores.total[at] else "no match")
        return
    twin = copies.of(at, packing.parts[at].text)
    if twin is not None:
        fates[at] = Fate(kept=False, why="duplicate", of=twin)
        return
    packing.add(at)
    fates[at] = Fate(kept=True, why="query" if at in best else "rank")
    for near in packing.beside(at):
        if (near not in fates or not fates[near].kept) and packing.fits(near):
            packing.add(near)
            fates[near] = Fate(kept=True, why="neighbour", of=at)


@dataclass(slots=True, kw_only=True)
class _Packing:
    """What is in the packed text so far."""

    sources: Sequence[Text]
    parts: Sequence[Part]
    pack: PackSpec
    budget: int
    quotas: Mapping[str, int]
    spent: int = 0
    taken: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Places by source, sorted and apart."""
    by_source: dict[int, int] = field(default_factory=dict)
    """Tokens of each source."""
    headed: set[tuple[int, int]] = field(default_factory=set)
    """Headings that are paid for."""

    def beside(self, at: int) -> Iterator[int]:
        """Yield the neighbours that are taken with a passage, nearest first."""
        for distance in range(1, self.pack.neighbours + 1):
            for near in (at - distance, at + distance):
                if 0 <= near < len(self.parts) and self.parts[near].source == self.parts[at].source:
                    yield near

    def fits(self, at: int) -> bool:
        """Whether a passage would still fit."""
        part, room = self.parts[at], self._room(self.parts[at].source)
        if len(part.text) > room * _LONGEST_TOKEN:
            return False
        return self._cost(part) <= room

    def add(self, at: int) -> None:
        """Take a passage in."""
        part = self.parts[at]
        cost = self._cost(part)
        text = self.sources[part.source].text
        self.taken[part.source] = _joined(self.taken.get(part.source, []), part.start, part.end, text)
        self.by_source[part.source] = self.by_source.get(part.source, 0) + cost
        self.spent += cost
        if part.heading is not None:
            self.headed.add((part.source, part.heading.start))

    def stretches(self) -> Iterator[Stretch]:
        """Yield what is in the packed text, in the order of the sources; a heading is put before the first only."""
        headings = {(part.source, part.start): part.heading for part in self.parts}
        shown: set[tuple[int, int]] = set()
        for source, places in sorted(self.taken.items()):
            for start, end in places:
                heading = headings.get((source, start)) if self.pack.headings else None
                if heading is not None:
                    stands = any(one <= heading.start < other for one, other in places)
                    if stands or (source, heading.start) in shown:
                        heading = None
                    else:
                        shown.add((source, heading.start))
                yield Stretch(source=source, start=start, end=end, heading=heading)

    def _cost(self, part: Part) -> int:
        """Return the tokens that a passage adds; what is there already costs nothing."""
        text = self.sources[part.source].text
        before = self.taken.get(part.source, [])
        cost = _BETWEEN
        for start, end in _missing(before, *_reach(before, part.start, part.end, text)):
            cost += estimate_tokens(text[start:end])
        heading = part.heading
        if self.pack.headings and heading is not None and (part.source, heading.start) not in self.headed:
            cost += estimate_tokens(heading.text) + _BETWEEN
        return cost

    def _room(self, source: int) -> int:
        """Return the tokens left for a source: all that is left but what the quotas keep for others."""
        kept = 0
        for other, text in enumerate(self.sources):
            if other != source:
                quota = self.budget * self.quotas.get(text.name, 0) // _HUNDRED
                kept += max(0, quota - self.by_source.get(other, 0))
        return self.budget - self.spent - kept


def _reach(places: Sequence[tuple[int, int]], start: int, end: int, text: str) -> tuple[int, int]:
    """Return the place widened over the white space to a neighbour, so that both become one stretch."""
    for one, other in places:
        if other <= start and not text[other:start].strip():
            start = other
        if end <= one and not text[end:one].strip():
            end = one
    return start, end


def _missing(places: Sequence[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a place that are not taken yet."""
    at = start
    for one, other in places:
        if other <= at or one >= end:
            continue
        if one > at:
            yield at, one
        at = max(at, other)
    if at < end:
        yield at, end


def _joined(places: Sequence[tuple[int, int]], start: int, end: int, text: str) -> list[tuple[int, int]]:
    start, end = _reach(places, start, end, text)
    joined: list[tuple[int, int]] = []
    for one, other in sorted([*places, (start, end)]):
        if joined and one <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], other))
        else:
            joined.append((one, other))
    return joined
