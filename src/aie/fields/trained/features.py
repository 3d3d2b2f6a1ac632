"""What a linear model is told of a proposal: words in and around it, its place on the page, how it compares.

Every feature is there or not, and is named by a string; nothing here knows a field's name or a data set's words. The
same functions serve training and inference.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import pairwise
from typing import Final

from aie.config import FieldSpec
from aie.fields.trained.candidates import Proposal
from aie.fields.trained.layout import EXTENT, Layout, Line

__all__ = ["describe"]

_NEAR: Final = 3
"""Words before and after whose distance counts."""
_FAR: Final = 10
"""Words before and after that count at all."""
_STEPS: Final = (0, 1, 2, 3, 4, 6, 9, 14, 25)
"""Bounds of the classes that counts fall into."""
_BESIDE: Final = 8
"""Neighbours in a row that count, on either side."""
_MOST_WORDS: Final = 60
"""Words of a line that count for a place on it or near it: a paragraph may be one line."""
_CENTS: Final = 2
_MOST_RELATED: Final = 200
"""Amounts of a document among which sums are looked for; more would take quadratic time."""
_PLACES: Final = re.compile(r"[.,](\d+)\D*$")
_NUMERIC: Final = frozenset({"money", "decimal", "integer"})


def describe(layout: Layout, spec: FieldSpec, proposals: Sequence[Proposal]) -> list[frozenset[str]]:
    """Return the features of each proposal."""
    lines = _Lines(layout)
    compared = _compared(spec, proposals)
    return [
        frozenset((*_inside(layout, each, spec), *_around(layout, each), *lines.of(each), *more))
        for each, more in zip(proposals, compared, strict=True)
    ]


def _inside(layout: Layout, each: Proposal, spec: FieldSpec) -> Iterator[str]:
    """Yield what the proposal itself is made of."""
    words = layout.words[each.first : each.last]
    forms = [word.form for word in words]
    yield f"words:{_step(len(forms))}"
    yield f"first:{forms[0]}"
    yield f"last:{forms[-1]}"
    if len(forms) > 1:
        yield f"ends:{forms[-2]} {forms[-1]}"
    for form in forms:
        yield f"in:{form}"
    letters = [word.text for word in words if word.text.isalpha()]
    if letters:
        yield f"upper:{sum(map(str.isupper, letters)) * 4 // len(letters)}"
        yield f"figures:{sum(form[0] == '0' for form in forms) * 8 // len(forms)}"
    if spec.type not in ("text", "name"):
        yield f"shape:{' '.join(forms)}"
    if words[0].start < each.start or words[-1].end > each.end:
        yield "part of a word"


def _around(layout: Layout, each: Proposal) -> Iterator[str]:
    """Yield the words before and after, in the order of the text."""
    before = layout.forms(each.first - _FAR, each.first)[::-1]
    after = layout.forms(each.last, each.last + _FAR)
    for side, forms in (("before", before), ("after", after)):
        for distance, form in enumerate(forms[:_NEAR], 1):
            yield f"{side}{distance}:{form}"
        for form in forms:
            yield f"{side}:{form}"
        if len(forms) > 1:
            yield f"{side}2:{forms[1]} {forms[0]}" if side == "before" else f"{side}2:{forms[0]} {forms[1]}"
        if not forms:
            yield f"{side}:nothing"


class _Lines:
    """Features of the lines that a proposal stands on; those of a line are computed once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._places: dict[int, list[str]] = {}
        self._forms: dict[int, list[str]] = {}
        self._last_row: dict[str, int] = {}
        """The lowest row in which a word stands with something to its right."""
        for number, row in enumerate(layout.rows):
            self._last_row.update((form, number) for line in row[:-1] for form in self._forms_of(line))

    def of(self, each: Proposal) -> Iterator[str]:
        layout = self._layout
        first, last = layout.words[each.first].line, layout.words[each.last - 1].line
        yield f"lines:{min(last - first + 1, 9)}"
        yield from self._place(first)
        whole_start = layout.lines[first].first == each.first
        whole_end = layout.lines[last].last == each.last
        yield f"whole:{whole_start:d}{whole_end:d}"
        yield from (f"line:{form}" for form in self._forms_of(first))
        for side, line in (("above", first - 1), ("below", last + 1)):
            if 0 <= line < len(layout.lines):
                yield from (f"{side}:{form}" for form in self._forms_of(line))
                yield f"{side} gap:{self._gap(min(line, first), max(line, last))}"
            else:
                yield f"{side}:nothing"
        if last > first:
            yield from self._run(first, last)
        yield from self._row(first)

    def _run(self, first: int, last: int) -> Iterator[str]:
        """Yield what is special to several lines taken together."""
        yield from (f"ends line:{form}" for form in self._forms_of(last))
        yield from (f"inner gap:{self._gap(line, line + 1)}" for line in range(first, last))
        for line in range(first + 1, last):
            yield from (f"inner:{form}" for form in self._forms_of(line))

    def _row(self, line: int) -> Iterator[str]:
        """Yield the words beside a line, and above it in the same column."""
        layout = self._layout
        number, place = layout.row_of[line]
        row = layout.rows[number]
        before = row[max(0, place - _BESIDE) : place]
        for side, others in (("left", before), ("right", row[place + 1 :][:_BESIDE])):
            if not others:
                yield f"{side}:none"
            for other in others:
                yield from (f"{side}:{form}" for form in self._forms_of(other))
        label = [form for other in before for form in self._forms_of(other)]
        if label:
            yield f"label:{' '.join(label[:6])}"
            yield from (f"left:{one} {two}" for one, two in pairwise(label))
            yield from (f"last left:{form}" for form in label if self._last_row[form] == number)
        for distance, step in (("row above", -1), ("row below", 1)):
            if 0 <= number + step < len(layout.rows):
                for other in layout.rows[number + step][:_BESIDE]:
                    yield from (f"{distance}:{form}" for form in self._forms_of(other))
        yield from (f"column:{form}" for form in self._column(number, layout.lines[line]))

    def _column(self, number: int, line: Line) -> list[str]:
        """Return the words of the nearest line above that shares the column and holds letters."""
        layout = self._layout
        for row in reversed(layout.rows[max(0, number - 12) : number]):
            for other in row:
                candidate = layout.lines[other]
                if candidate.left < line.right and line.left < candidate.right and candidate.page == line.page:
                    forms = [form for form in self._forms_of(other) if form.isalpha()]
                    if forms and candidate.right - candidate.left <= 2 * (line.right - line.left):
                        return forms
        return []

    def _place(self, number: int) -> list[str]:
        """Return where on its page a line stands and how large it is."""
        if number not in self._places:
            layout = self._layout
            line = layout.lines[number]
            left, top, right, _ = layout.place(line)
            height = (line.bottom - line.top) * 4 // layout.height
            row = layout.row_of[number][0]
            self._places[number] = [
                f"top:{top * 10 // (EXTENT + 1)}",
                f"left:{left * 6 // (EXTENT + 1)}",
                f"right:{right * 6 // (EXTENT + 1)}",
                f"middle:{abs(left + right - EXTENT) < EXTENT // 5}",
                f"height:{min(height, 12)}",
                f"row:{_step(row)}",
                f"row from end:{_step(len(layout.rows) - 1 - row)}",
                f"page:{_step(max(0, line.page - 1))}",
            ]
        return self._places[number]

    def _gap(self, upper: int, lower: int) -> str:
        above, below = self._layout.lines[upper], self._layout.lines[lower]
        if above.page != below.page:
            return "page"
        return str(max(-2, min(6, (below.top - above.bottom) * 2 // self._layout.height)))

    def _forms_of(self, number: int) -> list[str]:
        if number not in self._forms:
            line = self._layout.lines[number]
            self._forms[number] = self._layout.forms(line.first, min(line.last, line.first + _MOST_WORDS))
        return self._forms[number]


def _compared(spec: FieldSpec, proposals: Sequence[Proposal]) -> list[list[str]]:
    """Return how each proposal's value compares with the others of its document."""
    values = [repr(each.value) for each in proposals]
    counts = Counter(values)
    seen: Counter[str] = Counter()
    made = []
    for value in values:
        left = counts[value] - seen[value]
        made.append([f"times:{min(counts[value], 6)}", f"time:{min(seen[value], 4)}", f"time from end:{min(left, 5)}"])
        seen[value] += 1
    if spec.type in _NUMERIC:
        return [more + number for more, number in zip(made, _ranked(proposals), strict=True)]
    return made


def _ranked(proposals: Sequence[Proposal]) -> list[list[str]]:
    """Return the rank of each number among the document's, and sums and differences that it takes part in."""
    numbers = [_number(each) for each in proposals]
    order = _ranks({value for value, _ in numbers})
    cents = {value for value, places in numbers if places == _CENTS and value > 0}
    among = _ranks(cents)
    related = cents if len(cents) <= _MOST_RELATED else frozenset[int]()
    made = []
    for value, places in numbers:
        more = [f"rank:{_step(order[value])}", f"places:{places}"]
        if value in among:
            more.append(f"rank of cents:{_step(among[value])}")
            more.append(f"paid less change:{any(other - value in related for other in related if other > value)}")
            more.append(f"sum of others:{any(value - other in related for other in related if other < value)}")
        made.append(more)
    return made


def _ranks(values: AbstractSet[int]) -> dict[int, int]:
    return {value: rank for rank, value in enumerate(sorted(values, reverse=True))}


def _number(each: Proposal) -> tuple[int, int]:
    """Return a number in ten-thousandths, and how many figures stand behind its point."""
    written = _PLACES.search(each.quote)
    return int(Decimal(str(each.value).split(" ", 1)[0]).scaleb(4)), len(written[1]) if written else 0


def _step(count: int) -> int:
    return sum(count > step for step in _STEPS)
