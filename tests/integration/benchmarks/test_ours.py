"""A row of the benchmark counts only when the records behind it are whole."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.ours import Ours
from benchmarks.servers import answering
from benchmarks.work import Job

pytestmark = pytest.mark.slow


@pytest.fixture
def ran(tmp_path: Path, sqlite_url: str) -> Iterator[Ours]:
    """Give the contender after two runs."""
    with answering() as socket:
        job = Job(contender="local", url=sqlite_url, externals=3, socket=socket, clients=1, seconds=0, worker=0)
        ours = Ours(job, "local")
        ours.run(1)
        ours.run(2)
        yield ours
        ours.close()


def test_runs_are_read_back_and_found_right(ran: Ours) -> None:
    """Two runs were made, two are found."""
    assert ran.check() == 2


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM events WHERE type = 'attempt.settled'",
        "UPDATE runs SET state = 'failed'",
        "UPDATE events SET at = at + 1 WHERE n = 3",
    ],
)
def test_a_row_is_void_when_its_records_are_not_whole(ran: Ours, tmp_path: Path, harm: str) -> None:
    """The negative control: an event is gone, an outcome is wrong, a record was changed."""
    with sqlite3.connect(tmp_path / "aie.db") as connection:
        assert connection.execute(harm).rowcount
    connection.close()
    with pytest.raises(ValueError, match=r"run|intact"):
        ran.check()
