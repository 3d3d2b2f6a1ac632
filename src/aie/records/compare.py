"""Projections against events: what the rows are, and what they would be after a rebuild."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Table

from aie.errors import AieError
from aie.records import tables
from aie.records.checks import Finding
from aie.records.projection import Desk
from aie.records.rebuilding import add_up, desks
from aie.records.sources import Row, Source

__all__ = ["compare_projections"]

Expected = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


def compare_projections(source: Source) -> list[Finding]:
    """Return what a rebuild would change. All projections are held in memory."""
    findings: list[Finding] = []
    expected: Expected = {table.name: {} for table in tables.PROJECTIONS}
    drawn = Desk()
    for stream, rows in groupby(source.streams(), key=lambda row: row["stream"]):
        try:
            for desk, _ in desks(_listed(rows)):
                add_up(drawn, desk)
                _collect(expected, desk)
        except (AieError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            message = f"the stream cannot be projected: {type(error).__name__}"
            findings.append(Finding(kind="unreadable", message=message, stream=stream))
    _collect(expected, drawn)
    for table in tables.PROJECTIONS:
        findings.extend(_differences(table, expected[table.name], source))
    return findings


def _listed(rows: Iterator[Row]) -> list[Row]:
    return list(rows)


def _collect(expected: Expected, desk: Desk) -> None:
    for table in tables.PROJECTIONS:
        columns = [column.name for column in table.columns]
        if table is tables.search:
            found: list[dict[str, Any]] = [dict(zip(columns, values, strict=True)) for values in desk.search]
        else:
            found = list(getattr(desk, table.name).values())
        for row in found:
            expected[table.name][_key(table, row)] = row


def _differences(table: Table, expected: dict[tuple[Any, ...], dict[str, Any]], source: Source) -> Iterator[Finding]:
    for row in source.rows(table):
        key = _key(table, row)
        wanted = expected.pop(key, None)
        if wanted is None:
            yield _finding(table, row, "has a row that no event accounts for")
            continue
        wrong = sorted(name for name, value in row.items() if value != wanted[name])
        if wrong:
            yield _finding(table, row, f"differs from the events in {', '.join(wrong)}")
    for wanted in expected.values():
        yield _finding(table, wanted, "lacks a row that the events account for")


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def _finding(table: Table, row: Row, message: str) -> Finding:
    stream = row.get("run") or row.get("id") or row.get("environment") or ""
    return Finding(kind="projection", message=f"{table.name} {message}", tenant=row["tenant"], stream=stream)
