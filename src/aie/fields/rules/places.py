"""Where a rule looks: parts of the document, and the surroundings of phrases."""

from collections.abc import Iterator
from dataclasses import dataclass

from aie.config import Rule
from aie.fields.rules.page import Cell, Prepared, Stretch, phrases
from aie.fields.rules.patterns import LONGEST_MATCH

__all__ = ["Region", "part_of", "reach", "regions"]

_TABLE_ROWS = 200
"""A column is followed this many lines down."""


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch to look in; of several finds in it the one nearest to `origin` counts most."""

    start: int
    end: int
    origin: int
    """Where the phrase ends or begins that the region lies beside."""
    low: int
    high: int
    """Between these the side of a find that is nearer to the origin has to stand."""

    def distance(self, place: Stretch) -> int:
        """Return how far a find is from the origin."""
        return max(place.start - self.origin, self.origin - place.end)

    def admits(self, place: Stretch) -> bool:
        """Whether a find is near enough; it may itself reach further."""
        near = place.start if place.start >= self.origin else place.end
        return self.low <= near <= self.high


def part_of(rule: Rule, page: Prepared) -> Stretch:
    """Return the part of the document that the rule is about."""
    size = len(page.text)
    if rule.in_ is None:
        return Stretch(0, size)
    side, _, amount = rule.in_.partition(" ")
    number, _, unit = amount.partition(" ")
    first = side == "first"
    if amount.endswith("%"):
        length = size * int(amount[:-1]) // 100
        return Stretch(0, length) if first else Stretch(size - length, size)
    count = int(number) if number.isdigit() else 1
    match unit or number:
        case "characters":
            return Stretch(0, count) if first else Stretch(max(0, size - count), size)
        case "line" | "lines":
            lines = len(page.line_starts)
            return Stretch(0, page.line(count - 1).end) if first else Stretch(page.line(lines - count).start, size)
        case _:
            return _pages(page, count, first=first)


def _pages(page: Prepared, count: int, *, first: bool) -> Stretch:
    pages = page.source.pages[:count] if first else page.source.pages[-count:]
    return Stretch(pages[0].start, pages[-1].end) if pages else Stretch(0, len(page.text))


def reach(rule: Rule, page: Prepared, start: int, end: int) -> Stretch:
    """Return the surroundings of a stretch that `within` describes."""
    number, _, unit = rule.within.partition(" ")
    if unit == "characters":
        return Stretch(max(0, start - int(number)), min(len(page.text), end + int(number)))
    further = int(number) - 1
    return Stretch(page.line(page.line_of(start) - further).start, page.line(page.line_of(end) + further).end)


def regions(rule: Rule, page: Prepared) -> Iterator[Region]:
    """Yield the stretches in which the rule's value may stand."""
    part = part_of(rule, page)
    if rule.after or rule.before or rule.near:
        yield from _around(rule, page, part)
    elif rule.right_of or rule.below:
        yield from _beside(rule, page, part)
    elif rule.column or rule.row:
        yield from _cells(rule, page, part)
    else:
        yield _exactly(part.start, part.end, part)


def _exactly(start: int, end: int, part: Stretch) -> Region:
    start, end = max(start, part.start), min(end, part.end)
    return Region(start, end, start, start, end)


def _around(rule: Rule, page: Prepared, part: Stretch) -> Iterator[Region]:
    for match in phrases(rule.after or rule.before or rule.near).finditer(page.folded, part.start, part.end):
        around = reach(rule, page, match.start(), match.end())
        if not rule.before:
            end = min(around.end + LONGEST_MATCH, part.end)
            yield Region(match.end(), end, match.end(), match.end(), around.end)
        if not rule.after:
            start = max(around.start - LONGEST_MATCH, part.start)
            yield Region(start, match.start(), match.start(), around.start, match.start())


def _holding(texts: tuple[str, ...], page: Prepared, part: Stretch) -> Iterator[tuple[Cell, int]]:
    """Yield the cells in which a phrase stands, with the phrase's end."""
    pattern = phrases(texts)
    for cell in page.cells:
        match = pattern.search(page.folded, max(cell.start, part.start), min(cell.end, part.end))
        if match is not None:
            yield cell, match.end()


def _beside(rule: Rule, page: Prepared, part: Stretch) -> Iterator[Region]:
    for cell, end in _holding(rule.right_of or rule.below, page, part):
        if rule.right_of:
            yield _exactly(end, cell.end, part)
            right = [each for each in page.cells if cell.beside(each) and each.left >= cell.right]
            chosen = sorted(right, key=lambda each: each.left)
        else:
            under = [each for each in page.cells if cell.above(each)]
            chosen = sorted(under, key=lambda each: (each.top, each.left))[:1]
        for each in chosen:
            yield _exactly(each.start, each.end, part)


def _cells(rule: Rule, page: Prepared, part: Stretch) -> Iterator[Region]:
    """Yield the cells of the table: under a heading, in a row with one of the phrases."""
    headings = [cell for cell, _ in _holding(rule.column, page, part)] if rule.column else []
    rows = [cell for cell, _ in _holding(rule.row, page, part)] if rule.row else []
    under = [each for heading in headings for each in _under(heading, page)] if rule.column else list(page.cells)
    for each in under:
        if not rule.row or any(row is not each and row.beside(each) for row in rows):
            yield _exactly(each.start, each.end, part)


def _under(heading: Cell, page: Prepared) -> list[Cell]:
    below = [each for each in page.cells if heading.above(each)]
    return sorted(below, key=lambda each: (each.top, each.left))[:_TABLE_ROWS]
