"""Steps that read documents."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from aie.config.scalars import CELText, Path
from aie.config.steps.base import Step

__all__ = ["DOCUMENTS", "MERGED", "ExtractStep"]

DOCUMENTS = ("document", "text", "lines", "packet")
"""What a step may read a file as; any other name but `merged` is an extractor file."""
MERGED = "merged"


def _what(value: str) -> str:
    if value not in (*DOCUMENTS, MERGED) and not value.endswith((".yaml", ".yml")):
        known = " or ".join(f"'{each}'" for each in (*DOCUMENTS, MERGED, "extractors/NAME.yaml"))
        raise PydanticKnownError("literal_error", {"expected": known})
    return value


class ExtractStep(Step):
    """Reads a file or a text, or finds fields in what was read."""

    extract: Annotated[str, AfterValidator(_what)]
    """`document` reads a file with its pages; `text` only the characters; `lines` takes what a text recogniser gave;
    `packet` reads several files, or one that holds several; an extractor file finds its fields;
    `merged` puts the fields of a document's parts together."""
    from_: CELText = Field(alias="from")
    """The file or text, e.g. `input.file`; for an extractor file the step that read it, or a text; for `merged`
    the whole document, whose places the fields have."""
    of: CELText | None = None
    """Of `merged`: the map over the parts, whose steps found fields in each."""
    fields: Path | None = None
    """Of `merged`: the extractor file that those steps name."""
    starts: list[Annotated[str, Field(min_length=1, max_length=1_000)]] = Field(default=[], max_length=20)
    """Of a packet: regular expressions; a page begins a new document where one is found in its first five lines."""
    languages: list[Annotated[str, Field(pattern="^[a-z]{3}(_[a-z]{2,10})?$")]] = Field(default=[], max_length=8)
    """Of text in pictures, by the names that tesseract gives languages, e.g. `eng`, `deu`; none: `eng`."""
    partial: bool = False
    """Of a document or a packet: read a PDF without the pages that cannot be read, and name them in `unread`; without
    this it is refused."""

    @model_validator(mode="after")
    def _only_what_counts(self) -> "ExtractStep":
        if self.starts and self.extract != "packet":
            raise PydanticCustomError("unused", "`starts` divides an `extract: packet`", {"path": "starts"})
        if self.languages and self.extract not in ("document", "packet"):
            raise PydanticCustomError("unused", "`languages` are of a document or a packet", {"path": "languages"})
        if self.partial and self.extract not in ("document", "packet"):
            raise PydanticCustomError("unused", "`partial` is of a document or a packet", {"path": "partial"})
        return self

    @model_validator(mode="after")
    def _only_merged_merges(self) -> "ExtractStep":
        if self.extract != MERGED and (self.of is not None or self.fields is not None):
            raise PydanticCustomError("not_merged", "`of` and `fields` belong to `extract: merged`")
        return self

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        yield "from", self.from_
        if self.of is not None:
            yield "of", self.of
