"""A lookup in a real Postgres: typed, read only, within its time. The rows are invented."""

from pathlib import Path

import psycopg
import pytest

from aie.errors import Failure, StepFailure
from aie.layers.lookup.sql import Query, ask

pytestmark = pytest.mark.postgres

SELECT = "SELECT number, amount, since, ':x' AS text, 7 %% 4 = 3 AS odd FROM policies WHERE number = :number"


@pytest.fixture
def query(postgres_url: str):
    """Ask the database of this test."""
    with psycopg.connect(postgres_url) as made:
        made.execute("CREATE TABLE policies (number text, amount numeric(9, 2), since date)")
        made.execute("INSERT INTO policies VALUES ('P-1', 500.50, '2026-01-02'), ('P-2', 9, NULL)")

    def make(select: str = SELECT.replace("%%", "%"), number: str = "P-1", seconds: float = 5.0):
        return ask(
            Query(url=postgres_url, root=Path(), select=select, by={"number": number}, seconds=seconds, allow=())
        )

    return make


def test_a_row_is_exact_and_without_floats(query):
    """Decimals and days are text; what only looks like a parameter is none."""
    assert query().row == {"number": "P-1", "amount": "500.50", "since": "2026-01-02", "text": ":x", "odd": True}
    assert query(number="' OR '1' = '1").row is None


@pytest.mark.parametrize(
    ("select", "failure"),
    [
        (
            "WITH n AS (DELETE FROM policies WHERE number = :number RETURNING number) SELECT number FROM n",
            "provider_refused",
        ),
        ("SELECT set_config('transaction_read_only', 'off', false) || :number AS number", "provider_refused"),
        ("SELECT nothing FROM policies WHERE number = :number", "provider_refused"),
        ("SELECT number FROM policies WHERE number <> :number || 'x'", "invalid_output"),
        ("SELECT pg_sleep(60)::text AS number WHERE 'P-1' = :number", "timeout"),
    ],
)
def test_what_a_statement_comes_to(query, select, failure):
    """Writing is refused by the session, whatever the statement says; the server's words are told to nobody."""
    with pytest.raises(StepFailure) as caught:
        query(select, seconds=0.5)
    assert caught.value.failure is Failure(failure)
    assert "P-1" not in caught.value.message
    assert query("SELECT count(*) AS n FROM policies WHERE :number = 'P-1'").row == {"n": 2}


def test_a_database_that_is_away_is_down(tmp_path):
    """Nobody listens on this socket."""
    away = Query(
        url=f"postgresql:///x?host={tmp_path}", root=Path(), select=SELECT, by={"number": "P-1"}, seconds=1.0, allow=()
    )
    with pytest.raises(StepFailure) as caught:
        ask(away)
    assert caught.value.failure is Failure.PROVIDER_DOWN
