"""Datasets as they are declared: a file as it is found, mapped to cases, never converted."""

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from aie.config.scalars import Name, Path, Share
from aie.config.spec import Spec

__all__ = ["DatasetSpec", "DatasetsFile", "SplitByDate", "SplitByField", "SplitByHash", "Target"]

_TARGET: Final = re.compile(r"(input|expected|slice)\.[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*|at")
_BOUND: Final = re.compile(r"before (\d{4}-\d{2}-\d{2})|rest")


def _target(value: object) -> str:
    if not isinstance(value, str) or not _TARGET.fullmatch(value):
        raise PydanticCustomError(
            "form",
            "{expected} expected, e.g. `{example}`",
            {"expected": "`input.NAME`, `expected.NAME`, `slice.NAME` or `at`", "example": "input.text"},
        )
    return value


Target = Annotated[str, BeforeValidator(_target), WithJsonSchema({"type": "string", "pattern": _TARGET.pattern})]
"""Where in a case a field of the row goes."""
_Field = Annotated[str, Field(min_length=1, max_length=200)]
_Shares = dict[Name, Share]


class SplitByField(Spec):
    """The row says which split it is in."""

    by: _Field
    """Field of the row that holds the split's name."""


class SplitByHash(Spec):
    """A share of the rows each, chosen by the hash of a field: the same row is always in the same split."""

    hash: _Field
    """Field that is hashed, e.g. `id`."""
    shares: dict[Name, Share] = Field(min_length=1)
    """Shares by split; together 100%."""

    @model_validator(mode="after")
    def _whole(self) -> "SplitByHash":
        if sum(self.shares.values()) != 1:
            raise PydanticCustomError(
                "form",
                "{expected} expected, e.g. `{example}`",
                {"expected": "shares that make 100% together", "example": "{train: 80%, val: 10%, test: 10%}"},
            )
        return self


class SplitByDate(Spec):
    """Earlier rows teach, later rows test."""

    date: _Field
    """Field of the row with a date `YYYY-MM-DD…`."""
    before: dict[Name, Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]] = Field(min_length=1)
    """Splits by the day they end before, earliest first."""
    rest: Name
    """Split of all later rows."""

    @model_validator(mode="after")
    def _ordered(self) -> "SplitByDate":
        days = list(self.before.values())
        if days != sorted(set(days)):
            raise PydanticCustomError(
                "form",
                "{expected} expected, e.g. `{example}`",
                {"expected": "days in rising order", "example": "{train: 2015-01-01, val: 2017-01-01}"},
            )
        return self


_FORMS: Final = (SplitByField, SplitByHash, SplitByDate)


def _split_form(value: object) -> str | None:
    """Name the form that has a key of what is written, so that a mistake is told in the words of one form."""
    if isinstance(value, _FORMS):
        return f"<{type(value).__name__.casefold()}>"
    keys = set(value) if isinstance(value, dict) else set()
    return next((f"<{form.__name__.casefold()}>" for form in _FORMS if keys & form.model_fields.keys()), None)


def _any_form(value: object) -> object:
    if _split_form(value) is None:
        raise PydanticCustomError(
            "form",
            "{expected} expected, e.g. `{example}`",
            {
                "expected": "`by`, or `hash` and `shares`, or `date`, `before` and `rest`",
                "example": "{hash: id, shares: {train: 80%, val: 20%}}",
            },
        )
    return value


# Tags are no names of keys: pydantic puts them into the path of an error.
_Split = Annotated[
    Annotated[SplitByField, Tag("<splitbyfield>")]
    | Annotated[SplitByHash, Tag("<splitbyhash>")]
    | Annotated[SplitByDate, Tag("<splitbydate>")],
    Discriminator(_split_form),
    BeforeValidator(_any_form),
]


class DatasetSpec(Spec):
    """One dataset of a workflow."""

    file: Annotated[str, Field(min_length=1)] | dict[Name, Annotated[str, Field(min_length=1)]]
    """The file, or a file for each split; relative to the workflow's folder, or `env:NAME/path`."""
    format: Literal["jsonl", "csv"]
    """One JSON object a line, or a table with a heading."""
    id: _Field | None = None
    """Field that names a row; none: its line."""
    map: dict[Target, _Field] = Field(min_length=1)
    """Field of the row for each place in the case; dots go into objects."""
    files: dict[Target, _Field] = Field(default_factory=dict)
    """The same for fields that hold the path of a file, relative to the dataset's file."""
    needs: tuple[_Field, ...] = Field(default=(), strict=False)
    """Only rows that have these fields, and not empty."""
    where: dict[str, str | int | bool | None] = Field(default_factory=dict)
    """Only rows whose fields have these values."""
    split: _Split | None = None
    """How rows are divided; none: by file, or all in one split `all`."""
    labels: Path | None = None
    """File that `aie label` writes, relative to the workflow's folder: its labels take the place of the rows' own."""
    empty: Literal["unlabelled", "error", "label"] = "error"
    """What a missing or empty expected value means: no label yet, a mistake, or the label "none"."""


class DatasetsFile(Spec):
    """`datasets.yaml`: the datasets of a workflow, beside its file."""

    datasets: dict[Name, DatasetSpec] = Field(default_factory=dict)
    """Datasets by name."""
