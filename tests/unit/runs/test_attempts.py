"""A try that begins again: what the journal holds is not called twice."""

from dataclasses import dataclass, replace

import pytest
from immutables import Map

from aie.core import JSON, Spend, digest_json
from aie.errors import Failure, InputError, LimitReached, StoreBusy
from aie.records.events import AttemptIntended, AttemptSettled
from aie.runs.attempts import StepAttempts, past_calls
from aie.runs.state import Attempted, Progress, State, Status

WORST = Spend(cost=5, tokens=5, calls=1)


@dataclass
class Given:
    """Leave to make one call."""

    told: list[str]

    def leave(self, failure: Failure | None, tokens: int | None) -> None:
        self.told.append("answered" if failure is None else failure.value)

    def withdraw(self) -> None:
        self.told.append("withdrawn")


class Ledger:
    """Admits everything."""

    def __init__(self) -> None:
        self.intended: list[AttemptIntended] = []
        self.given: list[str] = []
        """What became of the calls and of their passes, in order."""

    def enter(self, model: str, worst: Spend) -> "Given":
        return Given(self.given)

    def intend(self, event: AttemptIntended) -> AttemptIntended:
        self.intended.append(event)
        return event

    def settle(self, event: AttemptSettled) -> None:
        self.given.append(event.outcome)


def attempt(n: int, request: JSON, outcome: str, response: JSON = None) -> tuple[str, Attempted]:
    """Return an attempt of before the crash."""
    name = f"words#{n}"
    intended = AttemptIntended(
        attempt=name, path="words", epoch=1, model="m", request=digest_json(request), worst=WORST.to_json()
    )
    settled = AttemptSettled(attempt=name, path="words", outcome=outcome, spend=Spend().to_json(), response=response)
    return name, Attempted(intended=intended, settled=settled)


def begun(*before: tuple[str, Attempted]) -> tuple[StepAttempts, Ledger]:
    """Return the attempts of a try that begins again."""
    ledger = Ledger()
    return StepAttempts(ledger, State(attempts=Map(dict(before))), "words", digest_json), ledger


def test_an_answer_is_found_though_other_models_were_asked_before_it() -> None:
    """The first one was down then and is asked again; the second one's answer is paid for already."""
    made, ledger = begun(attempt(1, "first", "released"), attempt(2, "second", "settled", "paid for"))
    again = made.open(model="first", request="first", worst=WORST)
    found = made.open(model="second", request="second", worst=WORST)
    assert (again.recorded, found.recorded) == (None, "paid for")
    assert [each.attempt for each in ledger.intended] == ["words#3"]


def test_two_equal_questions_have_two_answers() -> None:
    """Each answer of the journal is given once, oldest first."""
    made, ledger = begun(attempt(1, "same", "settled", "one"), attempt(2, "same", "settled", "two"))
    answers = [made.open(model="m", request="same", worst=WORST).recorded for _ in range(3)]
    assert answers == ["one", "two", None]
    assert [each.attempt for each in ledger.intended] == ["words#3"]


def test_a_forfeited_call_has_no_answer() -> None:
    """It is made again, under a number of its own."""
    made, ledger = begun(attempt(1, "same", "forfeited"))
    assert made.open(model="m", request="same", worst=WORST).recorded is None
    assert [each.attempt for each in ledger.intended] == ["words#2"]


def test_each_try_of_a_call_knows_how_many_there_were() -> None:
    """Those of before the crash count, those of another model do not."""
    made, ledger = begun(attempt(1, "same", "released"), attempt(2, "same", "forfeited"))
    first = made.open(model="m", request="same", worst=WORST)
    first.forfeit(Failure.TIMEOUT, ms=1)
    assert (first.tries, made.open(model="m", request="same", worst=WORST).tries) == (3, 4)
    assert made.open(model="other", request="same", worst=WORST).tries == 1
    assert ledger.given == ["forfeited", "timeout"]


def test_a_try_knows_the_calls_that_it_made_before_it_began_again() -> None:
    """In their order, with what they used and how long ago they began; those of failed tries are not its own."""
    known = dict([attempt(n, "q", outcome) for n, outcome in enumerate(("released", "settled", "forfeited"), 1)])
    known = {name: replace(each, at=n * 100) for n, (name, each) in enumerate(known.items(), 1)}
    open_still = replace(known["words#3"], settled=None)
    state = State(attempts=Map({**known, "words#3": open_still}), last_at=1_000)
    calls = [(each.answered, each.cost, each.age) for each in past_calls(state, "words")]
    assert calls == [(False, 0, 900), (True, 0, 800), (False, 5, 700)]
    failed = Progress(status=Status.HELD, spent_attempts=2)
    assert len(past_calls(state.but(nodes=Map({"words": failed})), "words")) == 1
    assert past_calls(state, "other") == ()


@pytest.mark.parametrize("worst", [Spend(cost=-1, tokens=5, calls=1), Spend(cost=5, tokens=2**53, calls=1)])
def test_a_call_that_cannot_be_counted_is_not_reserved(worst: Spend) -> None:
    """A reservation below nothing would make room, one beyond counting could not be recorded."""
    made, ledger = begun()
    with pytest.raises(InputError, match="no call uses"):
        made.open(model="m", request="a", worst=worst)
    assert (ledger.intended, ledger.given) == ([], [])


def test_leave_to_call_is_given_back_whatever_comes_of_the_call() -> None:
    """After an answer, after a failure, and when a budget refuses it; what the call came to is taken first."""

    class Poor(Ledger):
        def intend(self, event: AttemptIntended) -> AttemptIntended:
            raise LimitReached("too dear", limit="cost", free=0, needed=5)

    made, ledger = begun()
    made.open(model="m", request="a", worst=WORST).settle(WORST, response="ok", resolved="m", ms=1)
    made.open(model="m", request="b", worst=WORST).release(Failure.RATE_LIMITED, ms=1)
    poor = Poor()
    with pytest.raises(LimitReached):
        StepAttempts(poor, State(), "words", digest_json).open(model="m", request="a", worst=WORST)
    assert (ledger.given, poor.given) == (["settled", "answered", "released", "rate_limited"], ["withdrawn"])


def test_leave_to_call_is_given_back_though_the_settlement_fails() -> None:
    """A model that billed too much could not be stopped: nobody waits for the place of its call."""

    class Broken(Ledger):
        def settle(self, event: AttemptSettled) -> None:
            raise StoreBusy("another process holds the store's write lock")

    ledger = Broken()
    opened = StepAttempts(ledger, State(), "words", digest_json).open(model="m", request="a", worst=WORST)
    with pytest.raises(StoreBusy):
        opened.settle(WORST, response="ok", resolved="m", ms=1)
    assert ledger.given == ["answered"]
