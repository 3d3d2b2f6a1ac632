"""The gate before each model: its rates, and its breaker, as one executor sees them.

Rates hold for all workers of a store: each call is let through under a lock in the records. So does an open breaker;
what opens it are the outcomes that one process saw.
"""

import contextlib
import logging
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aie.core import JSON, Clock, Spend, fibers
from aie.errors import Failure, Held, StepFailure
from aie.models import Breaker, fails, held_by_breaker
from aie.records import (
    OpenGate,
    Room,
    Store,
    close_gate,
    first_tries,
    free_room,
    open_gate,
    opened_gates,
    return_pass,
    take_pass,
    take_probe,
    void_pass,
)

__all__ = ["Gate", "Pass"]

_log = logging.getLogger("aie.runs")

_FRESH: Final = 300_000
"""Microseconds for which what was read of open breakers is taken for what holds now."""
_PATIENCE: Final = 2_000_000
"""Microseconds that a call waits for its turn; after that its step waits durably."""
_LOOK: Final = 0.2
"""Seconds between two looks: at what other workers gave back, and at kill switches."""
_GRACE: Final = 10_000_000
"""Microseconds beyond its deadline after which a call is surely over."""
_ENDLESS: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Leave to make one call; given back exactly once.

    What came of the call does not depend on that: a pass that cannot be given back runs out by itself.
    """

    gate: "Gate"
    model: str
    name: str = ""
    """In the records; empty where the model has no rates."""
    worst: int = 0
    """Tokens that were reserved."""
    probe: bool = False
    """The call tries a model whose breaker was open."""
    breaker: Mapping[str, Any] | None = None
    """When the model's breaker opens; None for a model without one."""

    def leave(self, failure: Failure | None, tokens: int | None = None) -> None:
        """Give it back after the call: what it failed with, if it did, and what it used; None: nobody knows."""
        self._give_back(lambda: self.gate.left(self, failure, self.worst if tokens is None else tokens))

    def withdraw(self) -> None:
        """Give it back: the call did not leave."""
        self._give_back(lambda: self.gate.withdrawn(self))

    def _give_back(self, give: Callable[[], None]) -> None:
        try:
            give()
        except Exception as error:  # noqa: BLE001 - whatever it was, the call is over and its answer is paid for
            _log.warning("the place of a call of %s was not given back (%s): it runs out", self.model, error)


class Gate:
    """What stands before models, for one executor."""

    def __init__(self, store: Store, clock: Clock, declared: Callable[[str], Mapping[str, JSON]]) -> None:
        """Open the gate.

        Args:
            store: the records.
            clock: the clock.
            declared: live facts; `declared("model:NAME")` returns those of a model.
        """
        self._store = store
        self._clock = clock
        self._declared = declared
        self._taking = threading.Lock()
        """One call of this process asks the records for its turn at a time: they would only wait for one another."""
        self._waiting: dict[str, deque[fibers.Answer[None]]] = {}
        """By model; told, one after the other, when this process gave back a place of it."""
        self._counting = threading.Lock()
        self._breakers: dict[str, Breaker] = defaultdict(Breaker)
        self._opened: Mapping[str, OpenGate] = {}
        self._until = -1

    # ------------------------------------------------------------ circuit breakers

    def told(self, component: str, facts: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """Return the live facts of a component; those of a model whose breaker is open say so.

        Under `circuit` in words, and under `circuit_left` in microseconds.
        """
        kind, _, name = component.partition(":")
        left = self._left(name) if kind == "model" and "breaker" in facts else 0
        return {**facts, "circuit": self._open_text(name, left), "circuit_left": left} if left else facts

    def tries(self, model: str) -> int:
        """Return how many calls may leave that wait for a model's breaker: one that tries it, all once it is closed."""
        first = first_tries(self._store).get(model) if "breaker" in self._facts(model) else None
        return _ENDLESS if first is None else int(self._clock.now() >= first)

    def _left(self, model: str) -> int:
        """Return the microseconds for which nothing is asked of a model."""
        found = self._breaks().get(model)
        return 0 if found is None else max(found.until - self._clock.now(), 0)

    def _open_text(self, model: str, left: int) -> str:
        found = self._breaks().get(model)
        why = f": {found.why}" if found is not None and found.why else ""
        return f"its circuit breaker is open for another {left / 1_000_000:.1f} s{why}"

    def _breaks(self) -> Mapping[str, OpenGate]:
        now = self._clock.monotonic()
        if now >= self._until:
            self._opened = opened_gates(self._store)
            self._until = now + _FRESH
        return self._opened

    # ------------------------------------------------------------ one call

    def enter(self, model: str, worst: Spend, check: Callable[[], None]) -> Pass:
        """Let a call through, after a wait for its turn if need be.

        Args:
            model: catalog name.
            worst: the most that the call can use.
            check: raises when the call must not leave any more; asked while it waits.

        Raises:
            StepFailure: PROVIDER_DOWN: the breaker is open, or another call tries the model. RATE_LIMITED: no room
                came. The step may wait for either durably, unless that takes too long or the call will never fit.
        """
        facts = self._facts(model)
        given = Pass(gate=self, model=model, probe=self._probes(model, facts), breaker=facts.get("breaker"))
        rates = facts.get("rates") or {}
        if not any(rates.values()):
            return given
        name = secrets.token_hex(16)
        try:
            self._take_turn(model, rates, name=name, worst=worst, holds=_holds(facts), check=check)
        except BaseException:
            given.withdraw()
            raise
        return replace(given, name=name, worst=worst.tokens)

    def room(self, model: str) -> Spend:
        """Return what may be asked of a model now, in calls and tokens."""
        rates = self._facts(model).get("rates") or {}
        if not any(rates.values()):
            return Spend(tokens=_ENDLESS, calls=_ENDLESS)
        room = free_room(self._store, model, rates)
        calls = min(_ENDLESS if each is None else each for each in (room.calls, room.places))
        return Spend(tokens=_ENDLESS if room.tokens is None else room.tokens, calls=calls)

    def left(self, given: Pass, failure: Failure | None, tokens: int) -> None:
        """Take a pass back after its call."""
        if given.name:
            fibers.blocking(lambda: return_pass(self._store, given.name, tokens=tokens))
            self._next(given.model)
        policy = given.breaker
        if policy is None:
            return
        if given.probe:
            if fails(failure):
                self._open(given.model, pause=policy["pause"], why=f"the call that tried it failed with {failure}")
            else:
                fibers.blocking(lambda: close_gate(self._store, given.model))
            self._until = -1
            return
        with self._counting:
            why = self._breakers[given.model].opens(policy, failure, self._clock.monotonic())
        if why:
            self._open(given.model, pause=policy["pause"], why=why)
            self._until = -1

    def withdrawn(self, given: Pass) -> None:
        """Take a pass back whose call did not leave."""
        if given.name:
            fibers.blocking(lambda: void_pass(self._store, given.name))
            self._next(given.model)
        if given.probe:
            # Nobody knows more than before: the next call tries.
            self._open(given.model, pause=0)

    def _open(self, model: str, *, pause: int, why: str | None = None) -> None:
        fibers.blocking(lambda: open_gate(self._store, model, pause=pause, why=why))

    def _probes(self, model: str, facts: Mapping[str, Any]) -> bool:
        """Tell whether the call is the one that tries a model which was left alone.

        Raises:
            StepFailure: PROVIDER_DOWN: the pause lasts, or another call is that one.
        """
        if "breaker" not in facts or model not in self._breaks():
            return False
        left = self._left(model)
        # A call that tries and says nothing for a whole pause, as that of a dead worker, keeps nobody any longer.
        holds = min(_holds(facts), facts["breaker"]["pause"])
        if not left and fibers.blocking(lambda: take_probe(self._store, model, holds=holds)):
            return True
        if not left and model not in fibers.blocking(lambda: opened_gates(self._store)):
            self._until = -1
            return False
        why = f"{model} was not asked: {self._open_text(model, left) if left else 'one call tries it again first'}"
        failure = StepFailure(Failure.PROVIDER_DOWN, why)
        failure.hold = held_by_breaker(model, why, left=left, at_most=(facts.get("retry") or {}).get("at_most", 0))
        raise failure

    def _take_turn(
        self,
        model: str,
        rates: Mapping[str, Any],
        *,
        name: str,
        worst: Spend,
        holds: int,
        check: Callable[[], None],
    ) -> None:
        if rates.get("tpm") is not None and worst.tokens > rates["tpm"]:
            raise StepFailure(
                Failure.RATE_LIMITED,
                f"a call of {model} may need {worst.tokens} tokens, its rates allow {rates['tpm']} a minute",
                hints=("show it less, lower `max_tokens`, or raise `tpm`",),
            )
        until = self._clock.monotonic() + _PATIENCE

        def take() -> Room | None:
            with self._taking:
                return take_pass(self._store, model, rates, name=name, tokens=worst.tokens, holds=holds)

        waiting = self._waiting.setdefault(model, deque())
        told = False
        try:
            while True:
                check()
                turn: fibers.Answer[None] = fibers.Answer()
                waiting.append(turn)  # before it looks, so that it misses nobody who gives back meanwhile
                try:
                    room, told = fibers.blocking(take), False
                    if room is None:
                        return
                    left = until - self._clock.monotonic()
                    if left <= 0 or (_minute_is_full(room, worst.tokens) and room.next > left):
                        raise _limited(model, rates, room, worst)
                    with contextlib.suppress(TimeoutError):
                        turn.wait(min(left / 1_000_000, _LOOK))
                        told = True  # and looks again
                finally:
                    self._leave(model, turn, told=told)
        finally:
            if told:
                self._next(model)  # it did not look any more

    def _leave(self, model: str, turn: fibers.Answer[None], *, told: bool) -> None:
        """Wait no longer; who was told without a need of it lets the next one know."""
        try:
            self._waiting[model].remove(turn)
        except ValueError:
            if not told:
                self._next(model)

    def _next(self, model: str) -> None:
        with contextlib.suppress(KeyError, IndexError):
            self._waiting[model].popleft()(None)

    def _facts(self, model: str) -> Mapping[str, Any]:
        return self._declared(f"model:{model}")


def _holds(facts: Mapping[str, Any]) -> int:
    return int(facts.get("timeout", 0)) + _GRACE


def _minute_is_full(room: Room, tokens: int) -> bool:
    return (room.calls is not None and room.calls < 1) or (room.tokens is not None and room.tokens < tokens)


def _limited(model: str, rates: Mapping[str, Any], room: Room, worst: Spend) -> StepFailure:
    """Return the failure of a call whose turn did not come; its step waits for it, if nobody else can be asked."""
    full = [
        f"{rates[name]} {words}"
        for name, words, free, needed in (
            ("rpm", "calls a minute", room.calls, 1),
            ("tpm", "tokens a minute", room.tokens, worst.tokens),
            ("concurrency", "calls at the same time", room.places, 1),
        )
        if free is not None and free < needed
    ]
    why = f"{model} takes at most {' and '.join(full)}"
    failure = StepFailure(Failure.RATE_LIMITED, why)
    failure.hold = Held(why, on=f"rate:{model}", tokens=worst.tokens)
    return failure
