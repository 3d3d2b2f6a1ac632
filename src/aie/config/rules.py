"""How rules find a field: what to take, where to look, and how sure one may be."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from aie.config.fields import Texts
from aie.config.scalars import Confidence
from aie.config.spec import Spec

__all__ = ["Form", "Rule"]

Form = Literal[
    "date", "money", "decimal", "integer", "duration", "choice", "company", "person", "party", "code", "line"
]
"""company: capitalised words that end in a legal form. person: two to five capitalised words or initials. party: one of
both. code: letters and digits without a space, at least one digit. line: what stands on one line. The others as the
types of fields."""

_IN: Final = r"^(first|last) (page|line|[1-9]\d{0,3} (pages|lines|characters)|[1-9]\d?%)$"
_WITHIN: Final = r"^(1 line|[1-9]\d{0,4} (lines|characters))$"


class Rule(Spec):
    """One way to find a field: a form or pattern, and where in the document it has to stand.

    Phrases (`after`, `before` …) are compared without case, diacritics and kinds of quotes; a space is any white space.
    """

    find: Form | None = None
    """Form to look for; none, and no pattern: the one of the field's type (`party` for names, `line` for text)."""
    pattern: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None
    """Regular expression instead of a form; its group `value`, else the whole match, is the quote."""
    in_: Annotated[str, Field(pattern=_IN)] | None = Field(default=None, alias="in")
    """Part of the document: `first page`, `last 2 pages`, `first 30%`, `last 40 lines`; none: all of it."""
    after: Texts = ()
    """Phrases that it stands after."""
    before: Texts = ()
    """Phrases that it stands before."""
    near: Texts = ()
    """Phrases on either side of it."""
    right_of: Texts = ()
    """Phrases in whose line, to their right, it stands: by boxes where the document has them, else by columns."""
    below: Texts = ()
    """Phrases under which it stands, the nearest line that overlaps."""
    column: Texts = ()
    """Headings of a table's column that it stands in."""
    row: Texts = ()
    """Phrases of a table's row that it stands in; with `column` the cell of both."""
    within: Annotated[str, Field(pattern=_WITHIN)] = "120 characters"
    """How far from a phrase: `80 characters`, `1 line` (the same one), `3 lines`."""
    not_near: Texts = ()
    """Phrases that must not stand within that reach of it."""
    but_not: Texts = ()
    """What is never the value, compared as phrases are."""
    take: Literal["first", "last", "all", "most_frequent"] | None = None
    """Which of several: none takes all for a field of many values, else the first."""
    confidence: Confidence = "0.8"
    """How sure a value found so is; rules that agree on a value make it surer."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.find is not None and self.pattern is not None:
            raise PydanticCustomError("one_of", "either `find` or `pattern`, not both")
        places = (self.after, self.before, self.near, self.right_of, self.below)
        if sum(map(bool, places)) + bool(self.column or self.row) > 1:
            raise PydanticCustomError(
                "one_of", "one of `after`, `before`, `near`, `right_of`, `below` and `column` with `row`, not several"
            )
        return self
