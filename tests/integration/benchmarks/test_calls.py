"""A row of the benchmark of calls counts only when the server, the records and the ledger tell the same."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aie.runs import Pace
from aie.testing.stage import stage
from benchmarks.calls import ledger
from benchmarks.calls.job import Job
from benchmarks.calls.measuring import Cell, Server, measure, measure_ledger, serving
from benchmarks.calls.ours import Ours

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a running server."""
    with serving() as running:
        yield running


def job(contender: str, server: Server, store: str = "") -> Job:
    """Return the least work there is."""
    return Job(contender=contender, base=server.base, clients=2, seconds=0.2, store=store)


def measured(server: Server, **jobs: Job) -> dict[str, list[Cell]]:
    """Return the cells of two rounds."""
    cells: dict[str, list[Cell]] = {name: [] for name in jobs}
    for name, number, cell in measure({name: (each, None) for name, each in jobs.items()}, server, 2):
        cells[name].append(cell)
        assert number == len(cells[name])
    return cells


def test_contenders_have_together_as_many_answers_as_the_server_gave(
    server: Server, tmp_path: Path, sqlite_url: str
) -> None:
    """They work by turns, each more than once; those of the warm-up are counted as well."""
    (other := tmp_path / "other").mkdir()
    cells = measured(
        server,
        aiohttp=job("aiohttp", server),
        openai=job("openai", server),
        library=job("pydantic-ai", server),
        batch=job("batch", server, sqlite_url),
        single=job("single", server, f"sqlite:///{other / 'aie.db'}"),
    )
    assert all(len(of) == 2 and of[0].void == of[1].void == "" for of in cells.values()), cells
    assert all(of[0].checked > of[0].calls + of[1].calls > 0 < of[1].calls for of in cells.values())
    assert sum(of[0].checked for of in cells.values()) == server.answered()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forgetful(Server):
    """Forgets one answer of those it gave."""

    def answered(self) -> int:
        """Return one less, but at first: before anybody has asked."""
        count = Server.answered(self)
        return count - 1 if count else 0


def test_a_row_is_void_when_the_server_counted_otherwise(server: Server) -> None:
    """The negative control: a call that was repeated, or answered from elsewhere, would show so."""
    cells = measured(_Forgetful(base=server.base), harmed=job("aiohttp", server))["harmed"]
    assert all("were found right" in cell.void for cell in cells)


@pytest.mark.parametrize(
    "harm",
    ["DELETE FROM events WHERE type = 'attempt.settled'", "UPDATE events SET at = at + 1 WHERE n = 3"],
)
def test_a_row_is_void_when_its_records_are_not_whole(
    server: Server, tmp_path: Path, sqlite_url: str, harm: str
) -> None:
    """The negative control: a settlement is gone, a record was changed."""
    ours = Ours.open(job("single", server, sqlite_url))
    try:
        assert ours.check() == server.answered()
        with sqlite3.connect(tmp_path / "aie.db") as connection:
            assert connection.execute(harm).rowcount
        connection.close()
        with pytest.raises(ValueError, match=r"recorded as|intact"):
            ours.check()
    finally:
        ours.close()


def test_the_budget_holds_what_two_processes_settled(sqlite_url: str) -> None:
    """To the micro-USD."""
    cell = measure_ledger(sqlite_url, 2, 2, 0.1, None)
    assert cell.void == ""
    assert cell.checked == cell.calls + 4


@pytest.mark.parametrize(
    "harm",
    ["UPDATE draws SET spent_cost = spent_cost + 42", "UPDATE draws SET reserved_cost = 400"],
)
def test_a_row_of_the_ledger_is_void_when_the_budget_says_otherwise(tmp_path: Path, sqlite_url: str, harm: str) -> None:
    """The negative control: money that no call settled, a reservation that was left behind."""
    live = {"budgets:": ledger._DECLARED}
    with stage(sqlite_url, {}, pace=Pace(beat=1.0), live=lambda name: live.get(name, {})) as opened:
        made = len(ledger._drive(opened, 2, until=0.0))
        assert ledger._drawn(opened) == made
        with sqlite3.connect(tmp_path / "aie.db") as connection:
            assert connection.execute(harm).rowcount
        connection.close()
        if "reserved" in harm:
            with pytest.raises(ValueError, match="more than settled"):
                ledger._drawn(opened)
        else:
            assert ledger._drawn(opened) != made
