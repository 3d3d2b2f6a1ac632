"""One policy of retries: who is asked again, after which wait, and when the step itself waits."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from aie.core import JSON, Spend
from aie.errors import Failure, Held, LimitReached, StepFailure
from aie.layers import Tools
from aie.layers.calling import Answer, Question, ask
from aie.models import CallFailed
from aie.testing import FakeModel, Said

QUESTION = Question(route="route:r", user="How much?", schema=None)
RETRY: dict[str, JSON] = {"rate_limited": 2, "provider_down": 1, "timeout": 0, "at_most": 60_000_000}
SECOND = 1_000_000


def down(failure: Failure = Failure.PROVIDER_DOWN, *, retry_after: int | None = None) -> CallFailed:
    """Return a failure that was not billed."""
    return CallFailed(failure, "it is down", billed=False, retry_after=retry_after)


@dataclass
class Attempt:
    """One attempt; it knows how many there were before."""

    tries: int
    recorded: JSON = None

    def settle(self, spend: Spend, *, response: JSON, resolved: str, ms: int, **said: object) -> None:
        """Take it."""

    def release(self, failure: Failure, *, ms: int) -> None:
        """Take it."""

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Take it."""


@dataclass
class Attempts:
    """Admits everything, but for models that are full; counts."""

    full: set[str] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)

    def knows(self, request: JSON) -> bool:
        return False

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        if model in self.full:
            failure = StepFailure(Failure.RATE_LIMITED, f"{model} takes no more")
            failure.hold = Held("its turn", on=f"rate:{model}")
            raise failure
        self.opened.append(model)
        return Attempt(tries=Counter(self.opened)[model])


@dataclass
class Asked:
    """What became of a question."""

    tools: Tools
    attempts: Attempts
    pauses: list[int]

    def ask(self, **answers: list[Said]) -> Answer:
        models = {name: FakeModel(said) for name, said in answers.items()}
        return ask(QUESTION, self.tools, models.__getitem__)


@pytest.fixture
def asking(world) -> Callable[..., Asked]:
    """Return what asks `first` and `second` of a route, each by an adapter of its own name."""

    def make(
        *, full: set[str] | None = None, time_left: int | None = None, names: tuple[str, ...] = ("first", "second")
    ) -> Asked:
        pinned = {"kind": "chat", "model": "m-1", "parameters": {"max_tokens": 9, "temperature": "0.0", "seed": None}}
        pinned |= {"features": None, "context_window": 4000, "max_output": None}
        route: dict[str, Any] = {
            "name": "r",
            "alone": False,
            "candidates": [{**pinned, "name": name, "provider": name} for name in names],
            "constraints": {},
            "strategy": {"kind": "fallback", "next_on": ["provider_down", "rate_limited"]},
            "when_exhausted": "fail",
        }
        world.components["route:r"] = json.dumps(route).encode()
        world.live["route:r"] = {}
        price = {"input_per_million": 1, "output_per_million": 1}
        fact = {"approved": True, "endpoint": "http://m.example", "api_key": None, "timeout": SECOND, "price": price}
        world.live |= {f"model:{name}": {**fact, "retry": RETRY} for name in names}
        attempts, pauses = Attempts(full=full or set()), list[int]()
        tools = replace(world.tools(), attempts=attempts, pause=pauses.append, time_left=lambda: time_left)
        return Asked(tools, attempts, pauses)

    return make


def test_others_are_asked_before_anybody_is_asked_again(asking) -> None:
    """A second opinion comes sooner than a repeated one."""
    asked = asking()
    assert asked.ask(first=[down(), "late"], second=["42"]).data == {"text": "42"}
    assert (asked.attempts.opened, asked.pauses) == (["first", "second"], [])


def test_whoever_may_be_asked_soonest_is_asked_again(asking) -> None:
    """After its wait; each time is an attempt of its own, and the report tells of all of them."""
    asked = asking()
    answer = asked.ask(first=[down(), "42"], second=[down(Failure.RATE_LIMITED, retry_after=SECOND)])
    assert asked.attempts.opened == ["first", "second", "first"]
    assert len(asked.pauses) == 1
    assert asked.pauses[0] <= 250_000
    route: Any = answer.route
    assert [each["model"] for each in route["tried"]] == ["first", "second", "first"]


def test_the_policy_bounds_how_often(asking) -> None:
    """Once again when it is down, twice when it limits the rate; then the step fails."""
    asked = asking(names=("first",))
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=[down()])
    assert (caught.value.failure, caught.value.hold) == (Failure.PROVIDER_DOWN, None)
    assert len(asked.attempts.opened) == 2
    asked = asking(names=("first",))
    with pytest.raises(StepFailure):
        asked.ask(first=[down(Failure.RATE_LIMITED)])
    assert len(asked.attempts.opened) == 3


def test_what_is_not_in_the_policy_is_not_asked_again(asking) -> None:
    """A request that was refused is refused again; nor is anybody else asked."""
    asked = asking()
    with pytest.raises(StepFailure):
        asked.ask(first=[down(Failure.PROVIDER_REFUSED)], second=["42"])
    assert asked.attempts.opened == ["first"]


def test_a_long_wait_is_the_steps_and_holds_no_thread(asking) -> None:
    """It says how long; whoever drives the step makes it durable."""
    asked = asking(names=("first",))
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=[down(Failure.RATE_LIMITED, retry_after=30 * SECOND)])
    assert caught.value.hold is not None
    assert 29 * SECOND < caught.value.hold.wait <= 30 * SECOND
    assert asked.pauses == []


def test_a_provider_that_asks_for_more_than_the_longest_wait_fails_the_call(asking) -> None:
    """`at_most` of the policy."""
    asked = asking(names=("first",))
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=[down(Failure.RATE_LIMITED, retry_after=61 * SECOND)])
    assert caught.value.hold is None


def test_no_wait_is_longer_than_the_run(asking) -> None:
    """A retry that would begin after the run's time is over is none."""
    asked = asking(names=("first",), time_left=100_000)
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=[down(), "42"])
    assert (asked.attempts.opened, asked.pauses, caught.value.hold) == (["first"], [], None)
    with pytest.raises(LimitReached):
        asking(names=("first",), time_left=0).ask(first=["42"])


def test_a_model_without_room_is_passed_over_and_waited_for_only_when_nobody_else_answers(asking) -> None:
    """The others are asked; the step waits for its turn when they are down."""
    asked = asking(full={"first"})
    assert asked.ask(first=["42"], second=["43"]).data == {"text": "43"}
    asked = asking(full={"first", "second"})
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=["42"], second=["43"])
    assert caught.value.hold is not None
    assert caught.value.hold.on.startswith("rate:")


def test_a_failure_after_which_nobody_else_is_asked_waits_for_nobody(asking) -> None:
    """One is full and the other refuses: the step fails with the refusal."""
    asked = asking(full={"first"})
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=["42"], second=[down(Failure.PROVIDER_REFUSED)])
    assert (caught.value.failure, caught.value.hold) == (Failure.PROVIDER_REFUSED, None)


def test_a_model_whose_breaker_is_open_is_not_asked_and_the_reason_is_recorded(world, asking) -> None:
    """With nobody else left the step is one whose provider is down, not one that may ask nobody."""
    asked = asking()
    world.live["model:first"]["circuit"] = "its circuit breaker is open for another 3.0 s"
    route: Any = asked.ask(first=["42"], second=["43"]).route
    assert [(each["model"], each["reason"]) for each in route["refused"]] == [("first", "circuit_open")]
    world.live["model:second"]["circuit"] = "the same"
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=["42"], second=["43"])
    assert caught.value.failure is Failure.PROVIDER_DOWN


def test_a_step_with_nobody_else_to_ask_waits_for_the_breaker_that_lets_a_call_through_first(world, asking) -> None:
    """Not for one that takes longer than the policy lets it wait."""
    asked = asking()
    for name, left in (("first", 9 * SECOND), ("second", 3 * SECOND)):
        world.live[f"model:{name}"] |= {"circuit": "its circuit breaker is open", "circuit_left": left}
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=["42"], second=["43"])
    hold = caught.value.hold
    assert hold is not None
    assert (hold.on, hold.wait, hold.at_most) == ("breaker:second", 3 * SECOND, 60 * SECOND)
    for name in ("first", "second"):
        world.live[f"model:{name}"]["circuit_left"] = 61 * SECOND
    with pytest.raises(StepFailure) as caught:
        asked.ask(first=["42"], second=["43"])
    assert caught.value.hold is None
