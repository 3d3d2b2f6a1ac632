"""An entry of the catalog that answers as another model is told of once, at a price that does not grow."""

from dataclasses import replace

import pytest

from aie.core import Spend
from aie.layers import Outcome, Result, Task, Tools
from aie.records import Recorded, Store, model_stream
from aie.runs import resolutions
from aie.testing.stage import Stage, make_release, scripted, stage

RELEASE = make_release([replace(scripted("asked", conduct="external"), inputs={"model": "input.model"})])


def asked(task: Task, tools: Tools) -> Outcome:
    """Ask a name that stands for the model that the input says."""
    attempt = tools.attempts.open(model="reader", request={}, worst=Spend(calls=1), snapshot="reader-1")
    resolved = str(task.inputs["model"].data)
    attempt.settle(Spend(calls=1), response="yes", resolved=resolved, ms=1)
    return Result(data=resolved)


def answer_as(at: Stage, first: int, *models: str) -> None:
    """Let one run after the other be answered by these models; cases are numbered from `first`."""
    release = at.add(RELEASE)
    for number, model in enumerate(models, first):
        assert at.rest(at.submit(release, {"id": str(number), "model": model}).run).state == "completed"


def told(at: Stage) -> list[tuple[str, str]]:
    """Return the changes: before and after."""
    return [(each.before, each.after) for _, each in resolutions(at.services.store, "default", "reader")]


def test_each_change_is_told_once_with_what_was_before(store_url: str) -> None:
    """By whichever process notices."""
    with stage(store_url, {"asked": asked}) as at:
        answer_as(at, 0, "a", "a", "b", "b", "a")
    with stage(store_url, {"asked": asked}) as at:
        answer_as(at, 10, "a", "c", "c")
        assert told(at) == [("", "a"), ("a", "b"), ("b", "a"), ("a", "c")]


@pytest.mark.postgres
def test_two_processes_do_not_tell_the_same_change(postgres_url: str) -> None:
    """Each learns what the other told, and goes on from there."""
    with stage(postgres_url, {"asked": asked}) as one, stage(postgres_url, {"asked": asked}) as other:
        answer_as(one, 0, "a")
        other.add(RELEASE)
        answer_as(other, 10, "a", "b")
        answer_as(one, 20, "b", "a")
        assert told(other) == [("", "a"), ("a", "b"), ("b", "a")]


def test_what_is_read_for_a_change_does_not_grow_with_those_before(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that stands for two models by turns: a worker must not read all turns at each of them."""
    read, most = Store.read, [0]

    def counted(self: Store, stream: str, after: int = 0, *, tenant: str | None = None) -> list[Recorded]:
        found = read(self, stream, after, tenant=tenant)
        if stream == model_stream("default", "reader"):
            most[0] = max(most[0], len(found))
        return found

    with stage(sqlite_url, {"asked": asked}) as at:
        monkeypatch.setattr(Store, "read", counted)
        answer_as(at, 0, *"abababababababababab")
        assert most[0] <= 1
        assert len(told(at)) == 20
