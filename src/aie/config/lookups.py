"""`lookups:` of `aie.yaml`: systems of record that steps may ask, and nothing that a step could write."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from aie.config.policy import Clearance
from aie.config.scalars import Count, Duration, Name, Path
from aie.config.spec import Spec, StepName

__all__ = ["HttpLookup", "Lookup", "SqlLookup", "TableLookup"]

_SLOT: Final = re.compile(r"\{([^{}]*)\}")
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z][a-z0-9_]*)")
_READS: Final = re.compile(r"\s*(select|with|values)\b", re.IGNORECASE)
_Secret = Annotated[str, Field(pattern=r"^(Bearer |Basic )?env:[A-Z][A-Z0-9_]*$")]


class _Lookup(Spec):
    """What every lookup has."""

    by: Annotated[tuple[StepName, ...], Field(strict=False, min_length=1)]
    """What a row is looked for by; a step gives each a value."""
    row: Path
    """JSON Schema of one row, relative to the workspace; a field that it does not name is not taken."""
    classes: tuple[Name, ...] = Field(default=(), strict=False)
    """Data classes of every row, e.g. `personal`."""
    regions: tuple[Name, ...] | None = Field(default=None, strict=False)
    """Regions in which rows may be processed; none: everywhere."""
    integrity: Literal["trusted", "untrusted"] = "trusted"
    """Whether only people you trust write the rows. A row is never more trusted than what it was looked for by."""
    as_of: StepName | None = None
    """Field of the row that says since when it holds, a day or a time; none: the moment it was read, or the table's own
    time; nothing for a table of the release."""
    freshness: Duration | None = None
    """Greatest age of an answer by its `as_of`; an older one is `provider_down`. None: any."""
    fixtures: Path | None = None
    """Rows that answer in evaluations, replays and trials, relative to the workspace: JSON lines
    `{"by": {…}, "row": {…}}`. Without it only a pinned table answers there."""


class TableLookup(_Lookup):
    """A file of rows: CSV with a heading, or JSON lines."""

    kind: Literal["table"]
    """A file."""
    file: Annotated[str, Field(pattern=r"\.(csv|jsonl)$", max_length=400)]
    """Relative to the workspace; `by` names its key columns."""
    read: Literal["release", "run"] = "release"
    """release: the file is part of the release, as it was then. run: as it is when a run looks."""


class _AwayLookup(_Lookup):
    """What a lookup has that is told the values to look for."""

    clearance: Clearance = Field(default_factory=Clearance)
    """What of labelled values it may be asked by; left out: none. Live."""


class HttpLookup(_AwayLookup):
    """An endpoint that answers one JSON object."""

    kind: Literal["http"]
    """An endpoint."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s{}?#]+$|^env:[A-Z][A-Z0-9_]*$")]
    """Where it is, without parameters, or a reference `env:NAME`."""
    method: Literal["GET", "POST"] = "GET"
    """POST sends the values that the path does not hold as a JSON object."""
    path: Annotated[str, Field(pattern=r"^(/[^\s#]*)?$", validate_default=True)] = ""
    """What is added to the url, e.g. `/policies/{policy_number}?full=1`; each value is percent-encoded."""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")], _Secret] = Field(default_factory=dict)
    """References of secrets by header, e.g. `Authorization: Bearer env:POLICIES_TOKEN`."""
    row_at: Annotated[str, Field(pattern=r"^(/[^/\s]+)*$")] = ""
    """JSON pointer of the row in the answer; a list there holds at most one."""
    timeout: Duration = 10_000_000
    """For the whole exchange."""
    at_most: Count = 1_000_000
    """Bytes of an answer; a longer one is refused."""

    @field_validator("path")
    @classmethod
    def _places_its_values(cls, path: str, info: ValidationInfo) -> str:
        by = info.data.get("by", ())
        named = _SLOT.findall(path)
        _refuse_unknown(named, by)
        left = [name for name in by if name not in named]
        if left and info.data.get("method") == "GET":
            raise _lacking(left[0], f"{{{left[0]}}}")
        return path


class SqlLookup(_AwayLookup):
    """A statement that reads one row of a database."""

    kind: Literal["sql"]
    """A database."""
    url: Annotated[str, Field(pattern=r"^sqlite:///\S+$|^env:[A-Z][A-Z0-9_]*$")]
    """`sqlite:///PATH` relative to the workspace, or a reference `env:NAME` to such a URL or one of Postgres."""
    select: Annotated[str, Field(min_length=1, max_length=20_000)]
    """One SELECT whose parameters are written `:name`."""
    timeout: Duration = 10_000_000
    """For the whole exchange."""

    @field_validator("select")
    @classmethod
    def _only_reads(cls, select: str, info: ValidationInfo) -> str:
        if not _READS.match(select) or ";" in select:
            raise PydanticCustomError("lookup", "one SELECT expected, without `;`")
        by = info.data.get("by", ())
        named = _PARAMETER.findall(select)
        _refuse_unknown(named, by)
        left = [name for name in by if name not in named]
        if left:
            raise _lacking(left[0], f":{left[0]}")
        return select


def _lacking(name: str, slot: str) -> PydanticCustomError:
    return PydanticCustomError(
        "lookup", "`{name}` of `by` is missing: write `{slot}` where it belongs", {"name": name, "slot": slot}
    )


def _refuse_unknown(named: list[str], known: tuple[str, ...]) -> None:
    for name in named:
        if name not in known:
            raise PydanticCustomError("lookup", "`{name}` is not among `by`", {"name": name})


Lookup = Annotated[TableLookup | HttpLookup | SqlLookup, Field(discriminator="kind")]
