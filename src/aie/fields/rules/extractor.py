"""An extractor made of rules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from aie.config import FieldSpec, Rule
from aie.fields.contract import SURE, Candidate, Source

__all__ = ["RuleExtractor"]


class RuleExtractor:
    """Finds each field by its rules."""

    def __init__(self, finds: Mapping[str, FieldSpec], rules: Mapping[str, Sequence[Rule]]) -> None:
        self._finds = finds
        self._rules = [(name, rule, re.compile(rule.pattern)) for name, own in sorted(rules.items()) for rule in own]

    def find(self, source: Source) -> Sequence[Candidate]:
        """Return what the rules find."""
        return list(self._found(source))

    def _found(self, source: Source) -> Iterator[Candidate]:
        for name, rule, pattern in self._rules:
            for match in pattern.finditer(source.text):
                start, end = match.span("value" if "value" in pattern.groupindex else 0)
                yield Candidate(field=name, start=start, end=end, confidence=int(Decimal(rule.confidence) * SURE))
