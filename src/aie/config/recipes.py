"""`recipes/NAME.yaml`: how passages are cut, ranked, told apart and packed, as a component of its own."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from aie.config.fields import Texts
from aie.config.spec import Spec
from aie.core import canonical

__all__ = ["DiversifySpec", "PackSpec", "QuerySpec", "RankSpec", "RecipeSpec", "SelectSpec"]

Percent = Annotated[int, Field(ge=0, le=100)]
"""A share in whole percent."""
Source = Annotated[str, Field(min_length=1)]
"""A source as `from:` of the step names it."""


class SelectSpec(Spec):
    """How a text is cut into passages."""

    by: Literal["paragraphs", "sections", "pages"] = "paragraphs"
    """Where it is cut first: only at paragraphs and sentences, or also wherever a section or a page begins."""
    size: Annotated[int, Field(ge=40, le=20_000)] = 1_000
    """Characters of a passage at most."""
    overlap: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Characters that a passage may repeat of the one before it; a packed text has them once."""

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        if self.overlap * 2 > self.size:
            raise PydanticCustomError("form", "{expected} expected", {"expected": "at most half of `size`"})
        return self


class QuerySpec(Spec):
    """Something to look for."""

    any: Annotated[Texts, Field(min_length=1, max_length=100)]
    """Words and phrases; each that a passage has raises it. The words of a phrase stand beside each other."""
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """How much each of them counts."""


class RankSpec(Spec):
    """What is looked for, and what makes a passage better than another."""

    queries: Annotated[tuple[QuerySpec, ...], Field(strict=False, min_length=1, max_length=50)]
    """Looked for together; BM25 by phrase, weighted and added."""
    synonyms: dict[Annotated[str, Field(min_length=1)], Texts] = Field(default_factory=dict)
    """Other words for a word: a phrase that has it is looked for with each of them too."""
    stem: Literal["none", "english"] = "none"
    """`english`: `terminates`, `terminated` and `terminate` are one word."""
    headings: Annotated[int, Field(ge=0, le=20)] = 1
    """How much a match in the heading above a passage counts, against one in the passage; 0: it does not."""
    neighbours: Percent = 0
    """Share of the score of the passages before and after that is added to a passage's own."""


class DiversifySpec(Spec):
    """What keeps the chosen passages from being the same thing many times."""

    duplicates: Percent = 90
    """Passages that share this much of their words in order with a better one are dropped; 0: none are."""
    relevance: Percent = 100
    """100: by score alone. Below, the next passage is the one of the best mix of score and difference from those
    before it (maximal marginal relevance)."""
    per_query: Annotated[int, Field(ge=0, le=100)] = 0
    """The best so many passages of each query come first."""


class PackSpec(Spec):
    """What goes into the budget."""

    neighbours: Annotated[int, Field(ge=0, le=10)] = 0
    """So many passages before and after a chosen one are taken with it."""
    headings: bool = False
    """Put the heading above a passage before it, where it is not in the passage itself."""
    quotas: dict[Source, Percent] = Field(default_factory=dict)
    """Share of the budget that is kept for a source, by its name in `from:`; what it leaves, the others may use."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if sum(self.quotas.values()) > 100:
            raise PydanticCustomError("form", "{expected} expected", {"expected": "quotas of at most 100 together"})
        return self


class RecipeSpec(Spec):
    """A recipe file; only `rank` has to be said."""

    select: SelectSpec = Field(default_factory=SelectSpec)
    """How the text is cut."""
    rank: RankSpec
    """What is looked for."""
    diversify: DiversifySpec = Field(default_factory=DiversifySpec)
    """How repetition is avoided."""
    pack: PackSpec = Field(default_factory=PackSpec)
    """How the budget is filled."""

    def pinned(self) -> bytes:
        """Return the canonical form that a release pins: every default written out."""
        return canonical(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def read(cls, content: bytes) -> "RecipeSpec":
        """Read the canonical form."""
        return cls.model_validate_json(content)
