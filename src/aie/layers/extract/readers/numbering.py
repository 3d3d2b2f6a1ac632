"""Count what Word counts itself: the numbers before paragraphs ("1.", "2.3", "(a)"), which its text does not hold.

Numbers are defined in `numbering.xml` (ECMA-376, part 1, 17.9): a list has nine levels, each with its form; a paragraph
names a list and a level, itself or by its style. Lists of one definition count on together unless one starts over.
"""

import unicodedata
from dataclasses import dataclass, field, replace

from lxml import etree

from .archives import Package

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
LEVELS = 9
MOST_BASED = 64
"""Styles based on each other; Word allows eleven, and none on itself."""
MOST_NUMBER = 1 << 31
"""Word's own numbers end below it."""
MOST_FORM = 100
"""Characters of a level's form that are looked at; Word writes 31 at the most."""
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_MOST_ROMAN = 32_767
_MOST_LETTERS = 780
"""Thirty times the alphabet: after `z` comes `aa`, then `bb`; beyond it Word starts again, digits say more."""
_BULLET = "•"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of a list."""

    start: int = 1
    kind: str = "decimal"
    """`decimal`, `lowerLetter` …; forms that are not known here are written in digits."""
    form: str = ""
    """Text with `%1` for the number of the first level."""
    restart: int | None = None
    """Levels above of which a number starts this one over: 0 is never, None is any above."""
    digits: bool = False
    """Whether the numbers of all levels are written in digits here."""
    after: str = " "
    """What stands between the number and the text."""


@dataclass(frozen=True, slots=True)
class _List:
    definition: str
    """Name of what it counts on with."""
    levels: dict[int, Level]
    starts: dict[int, int]
    """Numbers that levels start over with where the list begins."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """The lists of a document, and which of its styles are numbered."""

    lists: dict[str, _List] = field(default_factory=dict)
    styles: dict[str, tuple[str, int]] = field(default_factory=dict)
    """List and level by style; `""` is the style of paragraphs that name none."""

    def place(self, paragraph: etree._Element) -> tuple[str, int] | None:
        """Return the list and the level of a paragraph; None where it is not numbered."""
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        named, level = self.styles.get("" if style is None else style.get(W + "val", ""), ("", 0))
        own = paragraph.find(f"{W}pPr/{W}numPr")
        if own is not None:
            named, level = _value(own, "numId") or named, _number(_value(own, "ilvl"), level)
        return (named, level) if named in self.lists and level < LEVELS else None


class Counter:
    """Counts through one story: the text, a header, a note."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._counts: dict[str, dict[int, int]] = {}
        """Numbers that levels are at, by definition."""
        self._begun: set[tuple[str, int]] = set()

    def label(self, paragraph: etree._Element) -> str:
        """Return what Word writes before a paragraph, and count on; nothing for one without number."""
        place = self._numbering.place(paragraph)
        if place is None:
            return ""
        named, at = place
        given = self._numbering.lists[named]
        level = given.levels.get(at, Level())
        counts = self._counts.setdefault(given.definition, {})
        if at in given.starts and (named, at) not in self._begun:
            counts[at] = given.starts[at]
        else:
            counts[at] = counts[at] + 1 if at in counts else level.start
        self._begun.add((named, at))
        for below in [each for each in counts if each > at and _starts_over(given.levels.get(each, Level()), at)]:
            del counts[below]
        label = _written(level, given.levels, counts)
        return label + level.after if label else ""


def numbering(package: Package) -> Numbering:
    """Return what a document's parts say of numbers; nothing where they are missing."""
    if "word/numbering.xml" not in package.names:
        return Numbering()
    root = package.tree("word/numbering.xml")
    definitions = {each.get(W + "abstractNumId", ""): each for each in root.iterchildren(W + "abstractNum")}
    linked = {link: name for name, each in definitions.items() if (link := _value(each, "styleLink")) is not None}
    levels = {name: _levels(each) for name, each in definitions.items()}
    lists: dict[str, _List] = {}
    by_style: dict[tuple[str, str], int] = {}
    for num in root.iterchildren(W + "num"):
        name = _value(num, "abstractNumId") or ""
        definition = definitions.get(name)
        if definition is None:
            continue
        name = linked.get(_value(definition, "numStyleLink") or "", name)  # a list that is another's by its style
        lists[num.get(W + "numId", "")] = _list(name, levels[name], num)
        for each in definitions[name].iterchildren(W + "lvl"):
            style = _value(each, "pStyle")
            if style is not None:
                by_style[num.get(W + "numId", ""), style] = _number(each.get(W + "ilvl"), 0)
    styles = package.tree("word/styles.xml") if "word/styles.xml" in package.names else None
    return Numbering(lists, {} if styles is None else _styles(styles, by_style))


def _levels(definition: etree._Element) -> dict[int, Level]:
    return {_number(each.get(W + "ilvl"), 0): _level(each) for each in definition.iterchildren(W + "lvl")}


def _list(name: str, levels: dict[int, Level], num: etree._Element) -> _List:
    starts: dict[int, int] = {}
    overrides = list(num.iterchildren(W + "lvlOverride"))
    levels = dict(levels) if overrides else levels
    for override in overrides:
        at = _number(override.get(W + "ilvl"), 0)
        other = override.find(W + "lvl")
        if other is not None:
            levels[at] = _level(other)
        start = _value(override, "startOverride")
        if start is not None:
            starts[at] = _number(start, 1)
            levels[at] = replace(levels.get(at, Level()), start=starts[at])
    return _List(name, levels, starts)


def _level(element: etree._Element) -> Level:
    restart = _value(element, "lvlRestart")
    legal = element.find(W + "isLgl")
    return Level(
        start=_number(_value(element, "start"), 0),
        kind=_value(element, "numFmt") or "decimal",
        form=(_value(element, "lvlText") or "")[:MOST_FORM],
        restart=None if restart is None else _number(restart, 0),
        digits=legal is not None and legal.get(W + "val") not in ("0", "false", "off"),
        after="" if _value(element, "suff") == "nothing" else " ",
    )


@dataclass(frozen=True, slots=True)
class _Style:
    named: str | None
    level: str | None
    based_on: str


def _styles(root: etree._Element, by_style: dict[tuple[str, str], int]) -> dict[str, tuple[str, int]]:
    """Return list and level of each numbered style of paragraphs; a style has those of the one it is based on."""
    own: dict[str, _Style] = {}
    default = ""
    for each in root.iterchildren(W + "style"):
        if each.get(W + "type") != "paragraph":
            continue
        numbered = each.find(f"{W}pPr/{W}numPr")
        named, level = (None, None) if numbered is None else (_value(numbered, "numId"), _value(numbered, "ilvl"))
        own[each.get(W + "styleId", "")] = _Style(named, level, _value(each, "basedOn") or "")
        if each.get(W + "default") in ("1", "true", "on"):
            default = each.get(W + "styleId", "")
    found: dict[str, tuple[str, int]] = {}
    for style in own:
        place = _inherited(style, own, by_style)
        if place is not None:
            found[style] = place
    return {**found, "": found[default]} if default in found else found


def _inherited(style: str, own: dict[str, _Style], by_style: dict[tuple[str, str], int]) -> tuple[str, int] | None:
    level: str | None = None
    for _ in range(MOST_BASED):
        if style not in own:
            return None
        level = level if level is not None else own[style].level
        named = own[style].named
        if named is not None:
            return named, by_style.get((named, style), _number(level, 0))
        style = own[style].based_on
    return None


def _starts_over(below: Level, at: int) -> bool:
    """Whether a number of level `at` makes a level below it start over."""
    return below.restart is None or at < below.restart


def _written(level: Level, levels: dict[int, Level], counts: dict[int, int]) -> str:
    """Return a level's form with the numbers of this level and those above put in."""
    if level.kind == "bullet":
        return _bullet(level.form)
    if level.kind == "none":
        return ""
    shown: list[str] = []
    rest = level.form
    while rest:
        before, mark, rest = rest.partition("%")
        shown.append(before)
        if mark and rest[:1].isdecimal() and rest[:1] in "123456789":
            at, rest = int(rest[0]) - 1, rest[1:]
            above = levels.get(at, Level())
            shown.append(in_form("decimal" if level.digits else above.kind, counts.get(at, above.start)))
        else:
            shown.append(mark)
    return "".join(shown).strip()


def _bullet(form: str) -> str:
    """Return a dash or an asterisk as it is; most other bullets are letters of fonts of signs, shown as one dot."""
    return form if form == "*" or (len(form) == 1 and unicodedata.category(form) == "Pd") else _BULLET if form else ""


def in_form(kind: str, number: int) -> str:
    """Return a number as Word writes it; in digits where it has no such form or the form is not known here."""
    match kind:
        case "none" | "bullet":
            return ""
        case "decimalZero":
            return f"{number:02}"
        case "ordinal":
            ends = {1: "st", 2: "nd", 3: "rd"}
            return f"{number}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"
        case "lowerLetter" | "upperLetter" if 1 <= number <= _MOST_LETTERS:
            letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
            return letters.upper() if kind == "upperLetter" else letters
        case "lowerRoman" | "upperRoman" if 1 <= number <= _MOST_ROMAN:
            roman = _roman(number)
            return roman.upper() if kind == "upperRoman" else roman
        case _:
            return str(number)


def _roman(number: int) -> str:
    made = ""
    for value, sign in _ROMAN:
        made += sign * (number // value)
        number %= value
    return made


def _value(parent: etree._Element, name: str) -> str | None:
    found = parent.find(W + name)
    return None if found is None else found.get(W + "val")


def _number(text: str | None, otherwise: int) -> int:
    """Return a number that a document declares; what is none, is below 0 or beyond Word's own is not believed."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > len(str(MOST_NUMBER)):
        return otherwise
    return int(text)
