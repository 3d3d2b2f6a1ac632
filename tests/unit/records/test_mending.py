"""What a database says, in words that help."""

import sqlite3

import pytest

from aie.errors import StoreError
from aie.records.batch import as_error


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("database or disk is full", "make room"),
        ("disk I/O error", "full or failing"),
        ("attempt to write a readonly database", "yours to write"),
        ("database disk image is malformed", "backup"),
    ],
)
def test_an_error_of_the_database_says_what_to_do(said: str, hint: str) -> None:
    """The words of the driver help nobody who only uses the command."""
    error = as_error(sqlite3.OperationalError(said))
    assert isinstance(error, StoreError)
    assert hint in error.hints[0]


def test_an_error_nobody_knows_has_no_hint() -> None:
    """Better none than a wrong one."""
    error = as_error(sqlite3.OperationalError("no such table: x"))
    assert isinstance(error, StoreError)
    assert error.hints == ()
