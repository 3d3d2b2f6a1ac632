"""What is asked again, and when nothing is: the policy of retries and the circuit breaker, without a clock."""

from hypothesis import given
from hypothesis import strategies as st

from aie.errors import Failure
from aie.models import Breaker, again_after, fails

POLICY = {"rate_limited": 2, "provider_down": 1, "timeout": 0, "invalid_output": 0, "at_most": 60_000_000}
SECOND = 1_000_000


def test_each_class_of_failure_has_its_own_number_of_tries() -> None:
    """A class that the policy does not name is never tried again."""
    tried = {
        failure: sum(again_after(POLICY, failure, tries=tries, seed="s") is not None for tries in range(1, 6))
        for failure in (Failure.RATE_LIMITED, Failure.PROVIDER_DOWN, Failure.TIMEOUT, Failure.PROVIDER_REFUSED)
    }
    assert list(tried.values()) == [2, 1, 0, 0]
    assert again_after({}, Failure.RATE_LIMITED, tries=1, seed="s") is None


@given(st.text(max_size=20), st.integers(1, 10))
def test_waits_double_are_spread_and_are_the_same_for_the_same_question(seed: str, tries: int) -> None:
    """Between half of the longest and the longest."""
    policy = POLICY | {"provider_down": 10}
    wait = again_after(policy, Failure.PROVIDER_DOWN, tries=tries, seed=seed)
    assert wait == again_after(policy, Failure.PROVIDER_DOWN, tries=tries, seed=seed)
    most = min(250_000 * 2 ** (tries - 1), 8_000_000)
    assert wait is not None
    assert most // 2 <= wait < most


def test_callers_do_not_come_back_in_step() -> None:
    """A hundred of them have a hundred waits."""
    waits = {again_after(POLICY, Failure.RATE_LIMITED, tries=1, seed=str(n)) for n in range(100)}
    assert len(waits) > 95


def test_what_the_provider_asks_to_wait_holds_unless_it_is_too_long() -> None:
    """Then the call fails at once, instead of sooner than it was asked for."""
    assert again_after(POLICY, Failure.RATE_LIMITED, tries=1, seed="s", retry_after=7 * SECOND) == 7 * SECOND
    assert again_after(POLICY, Failure.RATE_LIMITED, tries=1, seed="s", retry_after=61 * SECOND) is None


BREAKER = {"failures": 3, "within": 10 * SECOND}


def opens(*outcomes: tuple[int, Failure | None]) -> list[bool]:
    """Return what a breaker says of outcomes with their seconds."""
    breaker = Breaker()
    return [bool(breaker.opens(BREAKER, failure, at * SECOND)) for at, failure in outcomes]


def test_a_breaker_says_what_opened_it() -> None:
    """Whoever meets it open has seen none of the calls."""
    breaker = Breaker()
    for at, failure in ((0, None), (1, Failure.PROVIDER_DOWN), (2, Failure.TIMEOUT)):
        assert not breaker.opens(BREAKER, failure, at * SECOND)
    assert breaker.opens(BREAKER, Failure.TIMEOUT, 3 * SECOND) == (
        "3 of 4 calls within 10 s failed, the last with timeout"
    )


def test_a_breaker_opens_after_so_many_failures_in_its_window() -> None:
    """Older ones are forgotten."""
    down = Failure.PROVIDER_DOWN
    assert opens((0, down), (1, Failure.TIMEOUT), (2, down)) == [False, False, True]
    assert opens((0, down), (1, down), (11, down)) == [False, False, False]


def test_a_busy_endpoint_that_mostly_answers_stays_closed() -> None:
    """Three failures among ten calls are no outage."""
    outcomes = [(0, None)] * 7 + [(1, Failure.PROVIDER_DOWN)] * 3
    assert not any(opens(*outcomes))


def test_what_a_provider_refuses_or_answers_wrongly_shows_that_it_is_there() -> None:
    """A rate limit opens no breaker: it says when to come back."""
    others = (Failure.RATE_LIMITED, Failure.PROVIDER_REFUSED, Failure.INVALID_OUTPUT, Failure.MODEL_RETIRED, None)
    assert [fails(each) for each in others] == [False] * 5
    assert not any(opens(*[(0, each) for each in others for _ in range(3)]))
