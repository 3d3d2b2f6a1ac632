"""Asking a database for one row, by drivers alone: the statement is the workspace's, the session cannot write.

SQLite is opened read-only, a Postgres session is `default_transaction_read_only` with a statement timeout; the grants
of the role that the URL names are the wall behind that.
"""

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aie.core import JSON, install_line
from aie.errors import Failure, StepFailure, Unavailable
from aie.layers.egress import Forbidden, Unreached, checked
from aie.layers.lookup.rows import Answer, exact

__all__ = ["Query", "ask", "statement"]

_STEPS: Final = 10_000
"""Instructions of SQLite's machine between two looks at the clock, some hundred microseconds."""
_TOKENS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|::|:[a-z][a-z0-9_]*|%|.", re.DOTALL)
"""Texts, quoted names, casts and parameters of a statement; everything else one character at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to ask, and where."""

    url: str
    root: Path
    """Folder that the path of a SQLite URL is relative to."""
    select: str
    by: Mapping[str, JSON]
    seconds: float
    allow: tuple[str, ...]


def ask(query: Query) -> Answer:
    """Return the one row that the statement reads.

    Raises:
        StepFailure: PROVIDER_DOWN, PROVIDER_REFUSED, TIMEOUT, INVALID_OUTPUT.
    """
    if query.url.startswith("sqlite:///"):
        names, rows = _sqlite(query)
    elif re.match(r"postgres(ql)?://", query.url):
        names, rows = _postgres(query)
    else:
        raise StepFailure(Failure.PROVIDER_REFUSED, "the address is neither of SQLite nor of Postgres")
    if len(rows) > 1:
        raise StepFailure(Failure.INVALID_OUTPUT, "more than one row", hints=("let the statement read one",))
    if not rows:
        return Answer(row=None)
    return Answer(row={name: exact(value) for name, value in zip(names, rows[0], strict=True)})


def statement(select: str) -> str:
    """Return a statement as psycopg reads it: `:name` becomes `%(name)s`, outside of texts and quoted names."""
    return "".join(_written(each) for each in _TOKENS.findall(select))


def _written(part: str) -> str:
    if part.startswith(":") and part not in (":", "::"):
        return f"%({part[1:]})s"
    return part.replace("%", "%%")


def _sqlite(query: Query) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    path = query.root / query.url.removeprefix("sqlite:///")
    ends = time.monotonic() + query.seconds
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=query.seconds)
        ) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
            cursor = connection.execute(query.select, dict(query.by))
            return [each[0] for each in cursor.description or ()], cursor.fetchmany(2)
    except sqlite3.Error as error:
        late = time.monotonic() > ends
        refused = isinstance(error, sqlite3.ProgrammingError) or (
            "no such" in str(error) or "syntax" in str(error) or "readonly" in str(error)
        )
        failure = Failure.TIMEOUT if late else Failure.PROVIDER_REFUSED if refused else Failure.PROVIDER_DOWN
        raise StepFailure(failure, f"the database did not answer ({type(error).__name__})") from error


@contextlib.contextmanager
def _told(seconds: float) -> Iterator[None]:
    """Say what became of a call of Postgres, without the words of the server: they hold values."""
    import psycopg  # noqa: PLC0415 - an extra, and 60 ms that only such a lookup pays

    began = time.monotonic()
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise StepFailure(Failure.TIMEOUT, "the database took too long") from error
    except psycopg.OperationalError as error:
        late = time.monotonic() - began >= seconds
        failure = Failure.TIMEOUT if late else Failure.PROVIDER_DOWN
        raise StepFailure(failure, "the database did not answer") from error
    except psycopg.Error as error:
        raise StepFailure(
            Failure.PROVIDER_REFUSED, f"the database refused the statement ({type(error).__name__})"
        ) from error


def _postgres(query: Query) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    try:
        import psycopg  # noqa: PLC0415
        from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable("lookups in Postgres need psycopg", hints=(install_line("postgres"),)) from error
    with _told(query.seconds):
        parameters = conninfo_to_dict(query.url)
        host, port = str(parameters.get("host") or ""), int(parameters.get("port") or 5432)
        if not host.startswith("/"):  # a socket of this machine is a path, written out by the operator
            parameters["hostaddr"] = _address(host or "localhost", port, query)
        options = f"-c default_transaction_read_only=on -c statement_timeout={max(1, int(query.seconds * 1000))}"
        given = f"{parameters.pop('options', '')} {options}".strip()
        wait = max(2, int(query.seconds))  # libpq counts whole seconds and takes at least two
        parameters |= {"options": given, "connect_timeout": wait}
        with psycopg.connect(make_conninfo("", **parameters)) as connection:
            connection.read_only = True
            cursor = connection.execute(statement(query.select).encode(), dict(query.by))
            return [each.name for each in cursor.description or ()], cursor.fetchmany(2)


def _address(host: str, port: int, query: Query) -> str:
    """Return a checked address of the host; libpq connects to it under the host's own name."""
    try:
        return checked(host, port, query.allow)[0]
    except Forbidden as error:
        hint = "name the network in `network: {allow: [...]}` of aie.yaml"
        raise StepFailure(Failure.PROVIDER_REFUSED, f"the system of record: {error}", hints=(hint,)) from error
    except Unreached as error:
        raise StepFailure(Failure.PROVIDER_DOWN, "the database has no address") from error
