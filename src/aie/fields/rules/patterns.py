"""Regular expressions of extractor files, found in bounded time whatever the text says."""

import re
from collections.abc import Iterator
from typing import Final

from aie.fields.rules.page import Prepared, Stretch

__all__ = ["LONGEST_MATCH", "Pattern"]

LONGEST_MATCH: Final = 400
"""Characters of a match: it is looked for in windows of twice as many, so a long text costs no more than many short
ones."""


class Pattern:
    """A regular expression that `why_unsafe` has passed."""

    def __init__(self, pattern: str) -> None:
        self._compiled = re.compile(pattern, re.MULTILINE)
        self._group: str | int = "value" if "value" in self._compiled.groupindex else 0

    def find(self, page: Prepared, within: Stretch) -> Iterator[Stretch]:
        """Yield what the pattern takes, in the order of the text."""
        at = within.start
        while at < within.end:
            match = self._compiled.search(page.text, at, min(within.end, at + 2 * LONGEST_MATCH))
            if match is None or match.start() >= at + LONGEST_MATCH:
                at += LONGEST_MATCH
                continue
            start, end = match.span(self._group)
            if end > start >= 0:
                yield Stretch(start, end)
            at = max(match.end(), match.start() + 1)
