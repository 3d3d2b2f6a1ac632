"""An extractor made of rules."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from aie.config import FieldSpec, Rule
from aie.fields.contract import SURE, Candidate, Source, same
from aie.fields.normalise import normalise
from aie.fields.rules.forms import Finder, finder
from aie.fields.rules.page import Prepared, Stretch, phrases
from aie.fields.rules.places import Region, reach, regions

__all__ = ["RuleExtractor"]


class RuleExtractor:
    """Finds each field by its rules.

    A value that several rules find is as sure as all of them together, taken as independent: 0.6 and 0.5 make 0.8.
    """

    def __init__(self, finds: Mapping[str, FieldSpec], rules: Mapping[str, Sequence[Rule]]) -> None:
        self._finds = finds
        self._rules = {name: [_Rule(rule, finds[name]) for rule in own] for name, own in sorted(rules.items())}

    def find(self, source: Source) -> Sequence[Candidate]:
        """Return one candidate for each value, where its surest rule found it first."""
        page = Prepared(source)
        return [each for name, rules in self._rules.items() for each in _together(name, self._finds[name], rules, page)]


class _Rule:
    """One rule with what it needs compiled."""

    def __init__(self, rule: Rule, field: FieldSpec) -> None:
        self.rule = rule
        self.confidence = int(Decimal(rule.confidence) * SURE)
        self._field = field
        self._find: Finder = finder(rule, field)
        self._not_near = phrases(rule.not_near) if rule.not_near else None
        self._but_not = phrases(rule.but_not) if rule.but_not else None

    def values(self, page: Prepared) -> Mapping[str, Stretch]:
        """Return what the rule takes: the place of each value by the value's identity."""
        counts: dict[str, int] = {}
        places: dict[str, Stretch] = {}
        for place, key in self._places(page):
            counts[key] = counts.get(key, 0) + 1
            places.setdefault(key, place)
        if not places:
            return {}
        match self.rule.take or ("all" if self._field.many else "first"):
            case "first":
                chosen = min(places, key=lambda key: places[key].start)
            case "last":
                chosen = max(places, key=lambda key: places[key].start)
            case "most_frequent":
                chosen = min(places, key=lambda key: (-counts[key], places[key].start))
            case "all":
                return places
        return {chosen: places[chosen]}

    def _places(self, page: Prepared) -> Iterator[tuple[Stretch, str]]:
        nearest = bool(self.rule.after or self.rule.before or self.rule.near) and not self._field.many
        for region in regions(self.rule, page):
            found: Sequence[tuple[Stretch, str]] = list(self._in(region, page))
            if nearest and found:
                found = [min(found, key=lambda each: region.distance(each[0]))]
            yield from found

    def _in(self, region: Region, page: Prepared) -> Iterator[tuple[Stretch, str]]:
        for each in self._find(page, Stretch(region.start, region.end)):
            value = normalise(self._field, page.text[each.start : each.end]) if region.admits(each) else None
            if value is not None and not self._is_refused(each, page):
                yield each, same(self._field, value)

    def _is_refused(self, place: Stretch, page: Prepared) -> bool:
        if self._but_not is not None and self._but_not.fullmatch(page.folded, place.start, place.end):
            return True
        if self._not_near is None:
            return False
        around = reach(self.rule, page, place.start, place.end)
        return self._not_near.search(page.folded, around.start, around.end) is not None


def _together(name: str, field: FieldSpec, rules: Sequence[_Rule], page: Prepared) -> Iterator[Candidate]:
    doubts: dict[str, int] = {}
    places: dict[str, tuple[int, Stretch]] = {}
    for rule in rules:
        for key, place in rule.values(page).items():
            doubts[key] = doubts.get(key, SURE) * (SURE - rule.confidence) // SURE
            if key not in places or places[key][0] < rule.confidence:
                places[key] = (rule.confidence, place)
    for key in _outermost({key: place for key, (_, place) in places.items()}):
        place = places[key][1]
        yield Candidate(field=name, start=place.start, end=place.end, confidence=SURE - doubts[key])


def _outermost(places: Mapping[str, Stretch]) -> Iterator[str]:
    """Yield the values whose place is no piece of another's: a piece of a name is no name of its own."""
    last: Stretch | None = None
    for key, place in sorted(places.items(), key=lambda each: (each[1].start, -each[1].end)):
        if last is None or place.end > last.end or place == last:
            last = place
            yield key
