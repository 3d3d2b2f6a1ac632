"""Commit sites: a crash campaign can stop the process around every commit there is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from aie.errors import StoreError
from aie.records import (
    Journal,
    MemoryKeys,
    commit_sites,
    expire_leases,
    observe,
    open_store,
    reached,
    rebuild,
    seal,
)
from tests.shows.story import StoryClock, tell

SOURCE = Path(__file__).parents[3] / "src" / "aie"
PORTS = {"records/links.py"}
"""Where committing is defined, not done."""


def _commits(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield each function that ends a transaction itself, but for those nested in it."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and any(_ends(call) for call in _calls(function)):
            yield function


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def _ends(call: ast.Call) -> bool:
    """A call of `commit`, the statement itself, or `with engine.begin()`, which commits when it ends."""
    if any(isinstance(each, ast.Constant) and each.value == "COMMIT" for each in call.args):
        return True
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value)
    return call.func.attr == "commit" or (call.func.attr == "begin" and owner.endswith("engine"))


def _points(function: ast.FunctionDef) -> set[str]:
    return {
        ast.unparse(call.args[0]).rsplit(".", 1)[-1].strip("'")
        for call in _calls(function)
        if isinstance(call.func, ast.Name) and call.func.id == "reached"
    }


def _undeclared(folder: Path, floors: tuple[str, ...]) -> list[str]:
    """Return the functions that commit without saying so before and after."""
    found = []
    for floor in floors:
        for path in sorted((folder / floor).rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            if name in PORTS:
                continue
            tree = ast.parse(path.read_text())
            found += [
                f"{name}:{function.name}"
                for function in _commits(tree)
                if not {"before_commit", "after_commit"} <= _points(function)
            ]
    return found


def test_every_commit_is_at_a_declared_site() -> None:
    """In the records and in whatever stands on them: a commit without a kill point fails here."""
    assert _undeclared(SOURCE, ("records", "runs", "releases", "rollouts", "app", "cli")) == []


def test_a_commit_without_a_site_is_found(tmp_path: Path) -> None:
    """Negative control of the check above: each way of committing."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "bad.py").write_text(
        "def a(link):\n    link.commit()\n"
        "def b(connection):\n    connection.exec_driver_sql('COMMIT')\n"
        "def c(engine):\n    with engine.begin():\n        pass\n"
        "def d(link):\n    reached('x.before_commit')\n    link.commit()\n"
        "def good(link):\n    reached('x.before_commit')\n    link.commit()\n    reached('x.after_commit')\n"
    )
    assert _undeclared(tmp_path, ("runs",)) == [f"runs/bad.py:{name}" for name in "abcd"]


def test_every_site_is_reached(sqlite_url: str) -> None:
    """A declared point that nothing reaches would be a kill that never happens."""
    seen: set[str] = set()
    forget = observe(seen.add)
    store = open_store(sqlite_url, clock=StoryClock(), keys=MemoryKeys())
    with Journal(store, "w1") as journal:
        tell(store, journal, runs=2, tenants=("acme",))
    expire_leases(store)
    seal(store)
    rebuild(store)
    store.close()
    forget()
    assert seen == commit_sites
    reached("journal.before_commit")
    assert seen == commit_sites, "an observer that left is not called"


def test_a_transaction_at_an_undeclared_site_is_refused(sqlite_url: str) -> None:
    """A new site is declared first."""
    store = open_store(sqlite_url, keys=MemoryKeys())
    with pytest.raises(StoreError), store.transaction("elsewhere"):
        pass
    store.close()
