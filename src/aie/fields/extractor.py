"""What finds fields: the seam between rules, trained extractors and prompts."""

from collections.abc import Sequence
from typing import Protocol

from aie.fields.contract import Candidate, Source

__all__ = ["Extractor"]


class Extractor(Protocol):
    """Proposes stretches of a source for fields; pure: the same source always gives the same candidates."""

    def find(self, source: Source) -> Sequence[Candidate]:
        """Return candidates in any order, any number for a field; `assemble` chooses."""
        ...
