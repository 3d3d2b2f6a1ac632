"""Points of death: wherever a run appends or acts outside, a crash campaign can kill the process before and after."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from aie.layers import call_sites
from aie.runs import run_sites

SOURCE = Path(__file__).parents[3] / "src" / "aie"
FLOORS = ("runs", "layers")
ACTS = {
    "journal": {"append", "write", "put"},
    "deliverer": {"deliver", "reconcile"},
    "connection": {"request", "getresponse"},
    "chat": {"invoke", "stream"},
    "os": {"link", "rename", "replace"},
}
"""Calls that make something durable or leave the process: by the last name of their owner, the method."""
ELSEWHERE = {
    "runs/claims.py:_put_claim": "claim_all waits for the answer and tells the point after",
    "runs/submission.py:_put": "what waits for its answer tells the point after",
    "runs/recording.py:_put": "intend and _write, which name the site, put through it",
}
"""Functions whose callers tell the points."""


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _own_calls(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of a function without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _own_calls(child)


def _acts(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value).rsplit(".", 1)[-1].lstrip("_")
    return call.func.attr in ACTS.get(owner, ())


def _reached(calls: list[ast.Call]) -> list[ast.Call]:
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "reached"]


def _unannounced(source: Path) -> tuple[list[str], int]:
    """Return the functions that act without a point before and after each act, and how many acts there are."""
    found, count = [], 0
    for floor in FLOORS:
        for path in sorted((source / floor).rglob("*.py")):
            for function in _functions(ast.parse(path.read_text())):
                calls = list(_own_calls(function))
                acts = [call.lineno for call in calls if _acts(call)]
                points = [call.lineno for call in _reached(calls)]
                name = f"{path.relative_to(source)}:{function.name}"
                count += len(acts)
                bare = [at for at in acts if not (points and min(points) < at < max(points))]
                if bare and name not in ELSEWHERE:
                    found.append(name)
    return found, count


def _named(source: Path) -> set[str]:
    """Return the points that the code names, `site.*` for a site that is handed over."""
    names: set[str] = set()
    for floor in FLOORS:
        for path in sorted((source / floor).rglob("*.py")):
            for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
                called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                texts = [each.value for each in call.args if isinstance(each, ast.Constant) and type(each.value) is str]
                if called == "reached":
                    names |= set(texts)
                elif called in ("append", "_append", "_write"):
                    names |= {f"{text}.{when}" for text in texts for when in ("before", "after")}
    return names


def test_whatever_appends_or_acts_tells_a_point_before_and_after() -> None:
    """A place where nobody can kill the process is a place whose crash is not tested."""
    found, count = _unannounced(SOURCE)
    assert found == []
    assert count >= 8, "the acts are not found any more: the names in ACTS are old"


def test_the_code_names_exactly_the_declared_points() -> None:
    """None is forgotten in the registry, none is declared that nothing reaches."""
    assert _named(SOURCE) == run_sites | call_sites


def test_an_act_without_a_point_is_found(tmp_path: Path) -> None:
    """The negative control: the same tree, with one point taken out."""
    for floor in FLOORS:
        for path in (SOURCE / floor).rglob("*.py"):
            copied = tmp_path / path.relative_to(SOURCE)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_text(path.read_text().replace('reached("chat.before")', "pass"))
    assert _unannounced(tmp_path)[0] == ["layers/calling/answering.py:_settled"]
    assert _named(tmp_path) != run_sites | call_sites


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_exception_is_still_one(name: str) -> None:
    """A function that was renamed or taken away leaves the list."""
    path, function = name.split(":")
    assert function in {each.name for each in _functions(ast.parse((SOURCE / path).read_text()))}
