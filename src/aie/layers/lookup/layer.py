"""The lookup layer: one row of a system of record, with the moment at which it was so."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from aie.config import LookupStep, Site, StepSpec, read_schema
from aie.core import JSON, Clock, Labels, SystemClock, iso, read_file
from aie.errors import Failure, InputError, StepFailure
from aie.layers.clearance import cleared
from aie.layers.lookup import http, sql
from aie.layers.lookup.compiling import compile_lookup
from aie.layers.lookup.rows import Answer, BadTable, Loader, Rows, shaped
from aie.layers.port import Compiled, LayerName, Result, Task, Tools

__all__ = ["LookupLayer"]

_SECOND: Final = 1_000_000
_BY: Final = "by."
_TRIALS: Final = frozenset({"replay", "eval"})
"""Modes in which nothing is asked that changes from day to day."""
_TABLE_AT_MOST: Final = 256_000_000


class LookupLayer:
    """Looks rows up.

    Output: `{found, row, as_of, source}`. `row` is null where nothing was found, or where a value to look for is null.
    The answer is journalled: a run that goes on after a crash, or is replayed, reads it there.
    """

    name: LayerName = "lookup"
    version: int = 1
    in_fibers = False

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `lookup` step."""
        assert isinstance(step, LookupStep)
        return compile_lookup(step, site)

    def run(self, task: Task, tools: Tools) -> Result:
        """Look the row up.

        Raises:
            StepFailure: LOOKUP_MISSING where the step says so; NOT_PERMITTED where the system may not be given what it
                would be asked by; PROVIDER_DOWN, PROVIDER_REFUSED, RATE_LIMITED, TIMEOUT
                or INVALID_OUTPUT where the system gives no answer that can be used.
        """
        pinned = tools.cache(cast("str", task.config["lookup"]), json.loads)
        by = {name.removeprefix(_BY): value.data for name, value in task.inputs.items() if name.startswith(_BY)}
        source = cast("str", task.config["lookup"]).partition(":")[2]
        answer = Answer(row=None)
        if None not in by.values():
            answer, source = self._answer(task, pinned, by, tools)
        if answer.row is None and task.config["missing"] == "fail":
            raise StepFailure(Failure.LOOKUP_MISSING, f"{source} has no such row")
        row, as_of = None, answer.read_at
        if answer.row is not None:
            row = shaped(answer.row, tools.cache(cast("str", task.config["row"]), read_schema))
            as_of = self._as_of(answer, row, pinned, task.mode)
        data: dict[str, JSON] = {
            "found": row is not None,
            "row": row,
            "as_of": None if as_of is None else iso(as_of),
            "source": source,
        }
        return Result(data=data, labels=_labels(pinned))

    def _answer(
        self, task: Task, pinned: Mapping[str, Any], by: Mapping[str, JSON], tools: Tools
    ) -> tuple[Answer, str]:
        """Return the answer and who gave it, in words."""
        name = cast("str", task.config["lookup"])
        named = name.partition(":")[2]
        fixtures, table = task.config["fixtures"], task.config["table"]
        schema = tools.components(cast("str", task.config["row"]))
        loader = Loader(form="fixtures", by=tuple(pinned["by"]), schema=schema)
        if task.mode in _TRIALS and fixtures is not None:
            rows: Rows = tools.cache(cast("str", fixtures), loader)
            return Answer(row=rows.find(by)), f"fixtures of {named}"
        if table is not None:
            rows = tools.cache(cast("str", table), replace(loader, form=pinned["form"]))
            return Answer(row=rows.find(by)), named
        if task.mode in _TRIALS:
            raise StepFailure(
                Failure.PROVIDER_REFUSED,
                f"{named} is not asked in mode {task.mode}",
                hints=("give the lookup `fixtures:` that answer instead",),
            )
        if pinned["kind"] == "table":
            live = tools.live(name)
            return _read(Path(cast("str", live["file"])), replace(loader, form=pinned["form"]), by), named
        return replace(_ask(name, pinned, by, task, tools), read_at=self._clock.now()), named

    def _as_of(self, answer: Answer, row: Mapping[str, JSON], pinned: Mapping[str, Any], mode: str) -> int | None:
        """Return since when the row holds, in microseconds; None: nothing says. A trial is no later than its fixtures.

        Raises:
            StepFailure: PROVIDER_DOWN when it is older than allowed, INVALID_OUTPUT when the row lacks what should say.
        """
        at = answer.read_at if pinned["as_of"] is None else _moment(row.get(pinned["as_of"]))
        most = None if mode in _TRIALS else pinned["freshness"]
        if at is not None and most is not None and self._clock.now() - at > most:
            raise StepFailure(Failure.PROVIDER_DOWN, f"the answer is older than {most // _SECOND} s")
        return at


def _ask(name: str, pinned: Mapping[str, Any], by: Mapping[str, JSON], task: Task, tools: Tools) -> Answer:
    """Ask what is away from here."""
    live = cast("Mapping[str, Any]", cleared(tools, name))
    left = live["timeout"] if task.time_left_ms is None else min(live["timeout"], task.time_left_ms * 1000)
    seconds = max(left, 1_000) / _SECOND
    url = tools.secret(live["url"]) if live["url"].startswith("env:") else live["url"]
    allow = tuple(live["allow"])
    if pinned["kind"] == "sql":
        query = sql.Query(
            url=url, root=Path(live["root"]), select=pinned["select"], by=by, seconds=seconds, allow=allow
        )
        return sql.ask(query)
    headers = {header: _secret(reference, tools) for header, reference in live["headers"].items()}
    request = http.Request(
        url=url,
        path=pinned["path"],
        method=pinned["method"],
        by=by,
        headers=headers,
        seconds=seconds,
        at_most=pinned["at_most"],
        row_at=pinned["row_at"],
        allow=allow,
    )
    return http.ask(request)


def _secret(reference: str, tools: Tools) -> str:
    """Return the value of a header, `Bearer env:NAME` or `env:NAME`."""
    scheme, _, name = reference.rpartition(" ")
    value = tools.secret(name)
    if any(character in value for character in "\r\n"):
        raise StepFailure(Failure.PROVIDER_REFUSED, f"the secret {name} holds a line break")
    return f"{scheme} {value}".strip()


def _read(file: Path, load: Loader, by: Mapping[str, JSON]) -> Answer:
    """Look into a table as it is now."""
    try:
        read_at = file.stat().st_mtime_ns // 1000
        rows = load(read_file(file, at_most=_TABLE_AT_MOST))
    except (OSError, InputError) as error:
        raise StepFailure(Failure.PROVIDER_DOWN, f"the table cannot be read ({type(error).__name__})") from error
    except BadTable as error:
        raise StepFailure(Failure.INVALID_OUTPUT, f"the table: {error}") from error
    return Answer(row=rows.find(by), read_at=read_at)


def _moment(value: JSON) -> int:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise StepFailure(Failure.INVALID_OUTPUT, "the row does not say since when it holds") from error
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return int(at.timestamp()) * _SECOND + at.microsecond


def _labels(pinned: Mapping[str, Any]) -> Labels:
    regions = pinned["regions"]
    return Labels(
        classes=frozenset(pinned["classes"]),
        regions=None if regions is None else frozenset(regions),
        integrity=pinned["integrity"],
    )
