"""Fresh stores for scenarios: a workspace with a locked release, made once and copied for each."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import psycopg
from psycopg import sql

from aie.app import executing, lock_release, open_app
from tests.shows.crash.forking import ended_well
from tests.shows.crash.living import Scene

__all__ = ["EngineName", "Ground", "StoreName", "ground"]

StoreName = Literal["sqlite", "postgres"]
EngineName = Literal["local", "dbos"]

_WORKSPACE: Final = Path(__file__).parent / "workspace"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where scenarios of one store and one engine play."""

    store: StoreName
    engine: EngineName
    folder: Path
    """On a file system in memory."""
    server: str
    """Address of the Postgres server, with `{}` for the database; empty for SQLite."""
    names: "itertools.count[int]" = field(default=_NUMBERS)

    @contextmanager
    def scene(self, variant: str) -> Iterator[Scene]:
        """Yield a fresh scene and take it away again, unless the block says otherwise by an exception."""
        name = f"{self.store}-{self.engine}-{os.getpid()}-{next(self.names)}"
        root = self.folder / name
        shutil.copytree(_template(self, birth=variant == "birth"), root)
        database = name.replace("-", "_")
        if self.server:
            _admin(self.server, _CREATE.format(sql.Identifier(database), sql.Identifier(self._database(variant))))
        yield Scene(root=root, store=self.address(root, database), order=f"order-{name}", variant=variant)
        shutil.rmtree(root)
        if self.server:
            _admin(self.server, _DROP.format(sql.Identifier(database)))

    def address(self, root: Path, database: str) -> str:
        """Return the address of a scene's store."""
        return self.server.format(database) if self.server else f"sqlite:///{root}/.aie/aie.db"

    def _database(self, variant: str) -> str:
        return "template1" if variant == "birth" else f"crash_{self.engine}_{os.getpid()}"

    def prepare(self) -> None:
        """Make what scenes are copied from."""
        for birth in (True, False):
            root = _template(self, birth=birth)
            shutil.copytree(_WORKSPACE, root)
            (root / "order.txt").write_text("An order of two lines.\n")
            settings = root / "aie.yaml"
            settings.write_text(settings.read_text() + f"engine: {self.engine}\n")
        database = self._database("plain")
        if self.server:
            _admin(self.server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        address = self.address(root, database)
        assert ended_well(lambda: _lock(root, address)), "the template could not be made"


_CREATE: Final = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
_DROP: Final = sql.SQL("DROP DATABASE {} WITH (FORCE)")


def _template(place: Ground, *, birth: bool) -> Path:
    return place.folder / f"template-{place.store}-{place.engine}-{'birth' if birth else 'ready'}"


def _lock(root: Path, address: str) -> None:
    os.environ["AIE_CRASH_STORE"] = address
    with open_app(root, actor="script") as app:
        lock_release(app, "orders")
        with executing(app):
            pass


def _admin(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def ground(store: StoreName, engine: EngineName, folder: Path, server: str = "") -> Iterator[Ground]:
    """Yield the ground of one store and one engine."""
    place = Ground(store=store, engine=engine, folder=folder, server=server if store == "postgres" else "")
    place.prepare()
    yield place
