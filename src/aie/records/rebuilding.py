"""Rebuild: the projections, dropped and refilled from events alone."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from aie.records import tables
from aie.records.batch import write_desk
from aie.records.events import decode
from aie.records.links import Link
from aie.records.projection import DRAWN, Desk, project
from aie.records.rows import Recorded
from aie.records.store import Store

__all__ = ["STREAM_COLUMNS", "add_up", "desks", "rebuild", "refill"]

STREAM_COLUMNS: Final = ("stream", "n", "tenant", "writer", "writer_seq", "type", "at", "segment", "epoch", "body")
"""All that a projection may rest on: it never reads a private payload, so erased runs project as before."""

_CHUNK: Final = 5_000


def rebuild(store: Store) -> int:
    """Drop and refill every projection in one transaction; return the number of events read. Writers wait."""
    with store.transaction("rebuild") as link:
        if store.dialect == "postgresql":
            link.run("LOCK TABLE events IN SHARE MODE")
        return refill(link)


def refill(link: Link) -> int:
    """Drop and refill within the link's transaction."""
    read = 0
    for table in tables.PROJECTIONS:
        link.run(f"DELETE FROM {table.name}")
    drawn = Desk()
    for desk, count in desks(_events(link)):
        add_up(drawn, desk)
        write_desk(link, desk)
        read += count
    write_desk(link, drawn)
    return read


def add_up(drawn: Desk, desk: Desk) -> None:
    """Move what one stream drew on slabs to where all streams are added up."""
    for slab, row in desk.draws.items():
        before = drawn.draws.get(slab)
        if before is None:
            drawn.add("draws", slab, row)
        else:
            for count in DRAWN:
                before[count] += row[count]
    desk.draws.clear()
    desk.fresh = {each for each in desk.fresh if each[0] != "draws"}


def desks(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Desk, int]]:
    """Yield the rows that follow from each stream, of events in the order (stream, n), with the count of its events."""
    for _, events in groupby(rows, key=lambda row: row["stream"]):
        desk, count = Desk(), 0
        for row in events:
            project(desk, _recorded(row))
            count += 1
        yield desk, count


def _recorded(row: Mapping[str, Any]) -> Recorded:
    return Recorded(
        tenant=row["tenant"],
        stream=row["stream"],
        n=row["n"],
        at=row["at"],
        segment=row["segment"],
        epoch=row["epoch"],
        writer=row["writer"],
        writer_seq=row["writer_seq"],
        event=decode(row["type"], json.loads(row["body"]), None),
        erased=True,
    )


def _events(link: Link) -> Iterator[dict[str, Any]]:
    """Yield the events in the order (stream, n), a chunk at a time."""
    sql = (
        f"SELECT {', '.join(STREAM_COLUMNS)} FROM events WHERE stream > ? OR (stream = ? AND n > ?) "
        f"ORDER BY stream, n LIMIT {_CHUNK}"
    )
    stream, n = "", 0
    while rows := link.fetch(sql, stream, stream, n):
        yield from (dict(zip(STREAM_COLUMNS, values, strict=True)) for values in rows)
        stream, n = rows[-1][0], rows[-1][1]
