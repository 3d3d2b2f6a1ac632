"""Fibers: what waits in one lets the thread go on with others; outside of one the same code blocks."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from aie.core import fibers
from tests.unit.fiber_loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop(at_once=3)) as made:
        yield made


def test_one_thread_carries_work_that_waits_for_one_another(loop: Loop) -> None:
    handed: list[fibers.Answer[str]] = []

    def waits() -> str:
        handed.append(fibers.Answer())
        return handed[0].wait()

    def answers() -> str:
        handed[0]("come")
        return "told"

    loop.start(waits)
    loop.start(answers)

    assert loop.drive() == ["told", "come"]


def test_an_answer_comes_from_any_thread(loop: Loop) -> None:
    def asks() -> object:
        answer: fibers.Answer[int] = fibers.Answer()
        threading.Thread(target=answer, args=(42,)).start()
        return answer.wait()

    loop.start(asks)

    assert loop.drive() == [42]


def test_an_answer_that_came_before_it_is_waited_for_continues_nobody_twice(loop: Loop) -> None:
    def asks() -> list[int]:
        early: fibers.Answer[int] = fibers.Answer()
        early(1)  # its wake is still on the way while the next one is waited for
        first, late = early.wait(), fibers.Answer[int]()
        threading.Timer(0.02, late, (2,)).start()
        return [first, late.wait()]

    loop.start(asks)

    assert loop.drive() == [[1, 2]]


@pytest.mark.parametrize("in_fiber", [True, False])
def test_an_answer_may_be_an_error_or_come_too_late(loop: Loop, *, in_fiber: bool) -> None:
    def asks() -> list[str]:
        failed: fibers.Answer[None] = fibers.Answer()
        failed(KeyError("gone"))
        with pytest.raises(KeyError):
            failed.wait()
        never: fibers.Answer[None] = fibers.Answer()
        with pytest.raises(TimeoutError):
            never.wait(0.01)
        never(None)  # nobody waits any more
        fibers.pause(0.01)
        return ["went on"]

    if in_fiber:
        loop.start(asks)
        assert loop.drive() == [["went on"]]
    else:
        assert asks() == ["went on"]


def test_what_blocks_is_done_by_a_thread_and_its_error_raised_where_it_is_waited_for(loop: Loop) -> None:
    here = threading.get_ident()

    def fails() -> None:
        raise KeyError("gone")

    def works() -> bool:
        elsewhere = fibers.blocking(threading.get_ident) != here
        with pytest.raises(KeyError):
            fibers.blocking(fails)
        return elsewhere and threading.get_ident() == here

    loop.start(works)

    assert loop.drive() == [True]
    assert fibers.blocking(threading.get_ident) == here


def test_only_so_many_are_under_way_and_the_others_follow_in_their_order(loop: Loop) -> None:
    under_way, most = 0, 0

    def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        fibers.pause(0.002)
        under_way -= 1
        return number

    for number in range(9):
        loop.start(lambda number=number: work(number))  # type: ignore[misc]

    assert loop.drive() == list(range(9))
    assert most == 3


def test_thousands_that_never_wait_are_no_thousands_of_frames(loop: Loop) -> None:
    for number in range(3000):
        loop.start(lambda number=number: number)  # type: ignore[misc]

    assert loop.drive() == list(range(3000))


def test_bytes_are_waited_for_without_the_thread(loop: Loop) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)

    def reads() -> bytes:
        fibers.until_readable(near, 5.0)
        return near.recv(10)

    def writes() -> str:
        fibers.until_writable(far, 5.0)
        far.sendall(b"hello")
        return "sent"

    loop.start(reads)
    loop.start(writes)
    with near, far:
        assert loop.drive() == ["sent", b"hello"]


def test_bytes_that_never_come_are_given_up_in_time(loop: Loop) -> None:
    near, far = socket.socketpair()

    def reads() -> None:
        fibers.until_readable(near, 0.02)

    loop.start(reads)
    with near, far:
        (ended,) = loop.drive()
    assert isinstance(ended, TimeoutError)


def test_a_socket_that_cannot_be_waited_for_ends_no_later_wait(loop: Loop) -> None:
    closed = socket.socket()
    closed.close()

    def waits() -> bool:
        with pytest.raises(ValueError, match="descriptor"):
            fibers.until_readable(closed, 0.01)
        began = time.monotonic()
        fibers.pause(0.05)
        return time.monotonic() - began >= 0.05

    loop.start(waits)

    assert loop.drive() == [True]


def test_cpu_is_counted_for_each_by_itself(loop: Loop) -> None:
    used: dict[str, int] = {}

    def computes() -> None:
        began = fibers.cpu_ns()
        until = time.thread_time_ns() + 20_000_000
        while time.thread_time_ns() < until:
            pass
        fibers.pause(0.001)
        used["computes"] = fibers.cpu_ns() - began

    def waits() -> None:
        began = fibers.cpu_ns()
        fibers.pause(0.05)  # while the other one computes; on a busy machine it is the first to end
        used["waits"] = fibers.cpu_ns() - began

    loop.start(waits)
    loop.start(computes)
    loop.drive()

    assert used["computes"] >= 20_000_000 > 10 * used["waits"]


def test_work_that_is_left_when_its_loop_ends_is_not_continued(loop: Loop) -> None:
    left: list[fibers.Answer[None]] = []

    def waits() -> None:
        left.append(fibers.Answer())
        left[0].wait()

    loop.start(waits)
    loop.loop.call_later(0.01, loop.loop.stop)

    assert loop.drive() == []
    loop.loop.close()
    left[0](None)  # as the journal does that ends after it


def test_a_fiber_is_alone_while_no_other_has_begun(loop: Loop) -> None:
    """Those that wait for a place have nothing to lose yet; outside of fibers nobody is alone."""
    told: list[tuple[str, bool]] = []
    first: list[fibers.Answer[None]] = []

    def waits() -> None:
        told.append(("first", fibers.is_alone()))
        first.append(fibers.Answer())
        first[0].wait()
        told.append(("first again", fibers.is_alone()))

    def comes() -> None:
        told.append(("second", fibers.is_alone()))
        first[0](None)

    loop.start(waits)
    loop.start(comes)
    loop.drive()
    assert told == [("first", True), ("second", False), ("first again", True)]
    assert not fibers.is_alone()


def test_an_answer_that_a_fiber_gives_itself_wakes_nobody(loop: Loop) -> None:
    """It goes on by itself: the loop is not bothered."""
    posted: list[object] = []
    post = loop.mailbox.post
    loop.mailbox.post = lambda call: (posted.append(call), post(call))[1]  # type: ignore[method-assign]

    def asks() -> int:
        answer: fibers.Answer[int] = fibers.Answer()
        answer(3)
        return answer.wait()

    loop.start(asks)
    assert loop.drive() == [3]
    assert not posted
