"""Who handles which failure."""

import pytest

from aie.config import Handler as HandlerSpec
from aie.config import apply, parse_yaml
from aie.errors import Failure
from aie.releases import FAIL, Handler
from aie.releases.handling import ENGINE_FAILURES, add_handlers, entry_of, resolve_handlers, unhandled

DEAD = HandlerSpec(action="dead_letter")
TWICE = HandlerSpec(action="escalate", retries=2, desk="ops")


def test_the_steps_entry_goes_before_the_workflows_and_the_class_before_the_star() -> None:
    """The nearest and most exact entry wins."""
    step, workflow = {"*": DEAD}, {"timeout": TWICE, "blank": TWICE}
    assert resolve_handlers([Failure.TIMEOUT], step, workflow)[Failure.TIMEOUT] == Handler(kind="dead_letter")
    found = entry_of(Failure.BLANK, {"blank": DEAD, "*": TWICE}, workflow)
    assert found is not None
    assert (found.spec, found.key, found.own) == (DEAD, "blank", True)


def test_retries_come_before_the_ending() -> None:
    """`retry 2 then escalate ops` keeps both."""
    handlers = resolve_handlers([Failure.TIMEOUT], {}, {"*": TWICE})
    then = Handler(kind="escalate", desk="ops")
    assert handlers[Failure.TIMEOUT] == Handler(kind="retry", times=2, then=then)


def test_classes_of_the_engine_end_the_run_unless_somebody_handles_them() -> None:
    """They need no entry, and an entry is honoured."""
    assert resolve_handlers([], {}, {}) == dict.fromkeys(sorted(ENGINE_FAILURES), FAIL)
    assert resolve_handlers([], {}, {"*": DEAD})[Failure.INTERNAL] == Handler(kind="dead_letter")


@pytest.mark.parametrize("failure", [each for each in Failure if each not in ENGINE_FAILURES])
def test_every_other_class_needs_an_entry(failure: Failure) -> None:
    """Each class of the taxonomy: unhandled without an entry, handled by its own or by `*`."""
    assert unhandled([failure], {}, {}) == (failure,)
    assert unhandled([failure], {failure.value: DEAD}, {}) == ()
    assert unhandled([failure], {}, {"*": DEAD}) == ()


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("a: 1\n", "a: 1\non: {blank: fail, timeout: fail}\n"),
        ("a: 1", "a: 1\non: {blank: fail, timeout: fail}\n"),
        ("on: {}\n", "on: {blank: fail, timeout: fail}\n"),
        ("on: {x: fail}\n", "on: {x: fail, blank: fail, timeout: fail}\n"),
        ("on: { x: fail, }\n", "on: { x: fail, blank: fail, timeout: fail}\n"),
        ("on:\n  x: fail\n", "on:\n  blank: fail\n  timeout: fail\n  x: fail\n"),
    ],
)
def test_the_edit_adds_the_missing_entries(written: str, mended: str) -> None:
    """In the style in which the file is written."""
    edit = add_handlers(parse_yaml(written.encode(), "w.yaml"), (Failure.BLANK, Failure.TIMEOUT))
    assert edit is not None
    assert apply(written, edit) == mended


def test_there_is_no_edit_where_a_machine_would_guess() -> None:
    """A value that is no map, or a flow map over several lines, is left to people."""
    for written in ("on: fail\n", "on: {x: fail,\n  y: fail}\n"):
        assert add_handlers(parse_yaml(written.encode(), "w.yaml"), (Failure.BLANK,)) is None
