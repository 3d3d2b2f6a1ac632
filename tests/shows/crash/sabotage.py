"""Negative controls: what must make the campaign fail, patched into every life from the outside."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from aie.core import Spend
from aie.records.events import AttemptIntended, AttemptSettled
from aie.runs import Segment, effects
from aie.runs.recording import Recording

__all__ = ["SABOTAGE"]


def _forget_intents() -> None:
    """Calls leave before their intent is durable."""

    def intend(self: Recording, event: AttemptIntended) -> AttemptIntended:
        self.record(event)
        return event

    Recording.intend = intend  # type: ignore[method-assign,assignment]


def _write_off_nothing() -> None:
    """A call of a dead process is taken for one that was never made."""

    def forfeited(self: Segment, attempt: str) -> AttemptSettled:
        intended = self._recording.state.attempts[attempt].intended
        return AttemptSettled(attempt=attempt, path=intended.path, outcome="released", spend=Spend().to_json())

    Segment._forfeited = forfeited  # type: ignore[method-assign]


def _change_keys() -> None:
    """Each try of an effect has a key of its own."""
    try_ = effects._try

    def changed(context: Any, state: Any, event: Any, attempt: int, *, ask_first: bool) -> Any:
        outcome = try_(context, state, replace(event, key=f"{event.key}-{attempt}"), attempt, ask_first=ask_first)
        return replace(outcome, key=event.key)

    effects._try = changed


SABOTAGE: Final[dict[str, Callable[[], None]]] = {
    "calls-before-intents": _forget_intents,
    "forfeits-for-nothing": _write_off_nothing,
    "a-key-for-each-try": _change_keys,
}
"""By name; one is called in each life before it begins."""
