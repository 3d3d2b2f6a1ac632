"""Whose turn it is to call a model, on both databases: rates of a minute, places, and circuit breakers."""

from collections.abc import Callable

import pytest

from aie.records import (
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

SECOND = 1_000_000
RATES = {"rpm": 3, "tpm": 100, "concurrency": 2}


def taken(store: Store, name: str, *, tokens: int = 10, holds: int = 60 * SECOND, **rates: int | None) -> bool:
    """Take a pass for a call of `reader`; tell whether it was let through."""
    return take_pass(store, "reader", rates or RATES, name=name, tokens=tokens, holds=holds) is None


@pytest.fixture
def later(store: Store) -> Callable[[int], None]:
    """Let time pass for every pass and breaker: what is in the rows moves back, as both databases have own clocks."""

    def move(microseconds: int) -> None:
        with store.transaction("gate") as link:
            link.run(
                "UPDATE passes SET counts_until = counts_until - ?, holds_until = holds_until - ?", *[microseconds] * 2
            )
            link.run(
                "UPDATE gates SET probe_until = probe_until - ?, "
                "open_until = CASE WHEN open_until > 0 THEN open_until - ? ELSE 0 END",
                *[microseconds] * 2,
            )

    return move


def test_as_many_calls_are_let_through_at_once_as_there_are_places(store: Store) -> None:
    """One that is given back makes room for one."""
    assert [taken(store, name) for name in "abc"] == [True, True, False]
    return_pass(store, "a", tokens=10)
    assert [taken(store, name) for name in "cd"] == [True, False]


def test_as_many_calls_are_let_through_in_a_minute_as_the_rate_says(store: Store, later: Callable[[int], None]) -> None:
    """However soon they are over; the first leaves the minute first."""
    for name in "abc":
        assert taken(store, name)
        return_pass(store, name, tokens=1)
    room = take_pass(store, "reader", RATES, name="d", tokens=1, holds=SECOND)
    assert room is not None
    assert (room.calls, room.places) == (0, 2)
    assert 0 < room.next <= 60 * SECOND
    later(61 * SECOND)
    assert taken(store, "d")


def test_a_call_counts_from_when_it_reached_its_endpoint_at_the_latest(
    store: Store, later: Callable[[int], None]
) -> None:
    """A minute of the endpoint's own clock may begin after the call was let through; a long call holds no longer."""
    for name in "ab":
        assert taken(store, name, rpm=2)
    later(4 * SECOND)
    return_pass(store, "a", tokens=1)
    later(30 * SECOND)
    return_pass(store, "b", tokens=1)
    later(29 * SECOND)
    assert not taken(store, "c", rpm=2)
    later(2 * SECOND)
    assert taken(store, "c", rpm=2)


def test_tokens_count_at_their_worst_until_it_is_known_what_they_were(store: Store) -> None:
    """A call that would pass the rate waits."""
    assert taken(store, "a", tokens=60)
    assert not taken(store, "b", tokens=60)
    return_pass(store, "a", tokens=20)
    assert taken(store, "b", tokens=60)
    assert free_room(store, "reader", RATES).tokens == 20


def test_a_call_whose_process_died_gives_its_place_back_when_it_is_surely_over(
    store: Store, later: Callable[[int], None]
) -> None:
    """And not before."""
    assert [taken(store, name, concurrency=1, holds=20 * SECOND) for name in "ab"] == [True, False]
    later(19 * SECOND)
    assert not taken(store, "b", concurrency=1)
    later(2 * SECOND)
    assert taken(store, "b", concurrency=1)


def test_a_call_that_did_not_leave_never_counted(store: Store) -> None:
    """A budget refused it."""
    for name in "abcdef":
        assert taken(store, name)
        void_pass(store, name)
    room = free_room(store, "reader", RATES)
    assert (room.calls, room.tokens, room.places) == (3, 100, 2)


def test_another_model_has_rates_of_its_own(store: Store) -> None:
    """The name of the catalog tells them apart."""
    assert taken(store, "a", rpm=1)
    assert take_pass(store, "writer", {"rpm": 1}, name="b", tokens=1, holds=SECOND) is None


def test_one_call_alone_tries_a_model_whose_breaker_was_open(store: Store, later: Callable[[int], None]) -> None:
    """None before the pause is over; when the one does not come back, another may in time."""
    open_gate(store, "reader", pause=15 * SECOND, why="two of two failed")
    assert [(name, each.why) for name, each in opened_gates(store).items()] == [("reader", "two of two failed")]
    assert not take_probe(store, "reader", holds=10 * SECOND)
    (first,) = first_tries(store).values()
    assert first == opened_gates(store)["reader"].until
    later(16 * SECOND)
    assert [take_probe(store, "reader", holds=10 * SECOND) for _ in range(3)] == [True, False, False]
    assert first_tries(store)["reader"] > opened_gates(store)["reader"].until
    open_gate(store, "reader", pause=0)
    assert opened_gates(store)["reader"].why == "two of two failed"
    assert take_probe(store, "reader", holds=10 * SECOND)
    close_gate(store, "reader")
    assert opened_gates(store) == first_tries(store) == {}
    assert not take_probe(store, "reader", holds=10 * SECOND)
