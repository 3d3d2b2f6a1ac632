"""Models and clocks that do as they are told."""

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Chat, ChatReply, ChatRequest, Endpoint
from aie.testing import FakeModel, OpenAIServer, VirtualClock

HERE = Endpoint(url="http://models.example/v1")


def request(user: str = "How much?") -> ChatRequest:
    """Return a question."""
    return ChatRequest(model="small-1", user=user, max_tokens=5)


def test_a_fake_model_goes_through_its_list_and_stays_at_the_end_of_it() -> None:
    """It keeps what it was asked; a failure in the list is raised."""
    down = CallFailed(Failure.PROVIDER_DOWN, "it is down", billed=False)
    fake = FakeModel(["one", down, "two"])
    model: Chat = fake
    assert model.invoke(request(), HERE).text == "one"
    with pytest.raises(CallFailed):
        model.stream(request(), HERE)
    assert [model.invoke(request(), HERE).text for _ in range(2)] == ["two", "two"]
    assert len(fake.requests) == 4


def test_a_fake_model_answers_by_the_question_and_within_its_bound() -> None:
    """What it says it used is never more than what is reserved for it."""
    fake = FakeModel(lambda asked: asked.user.upper() * 10)
    reply = fake.invoke(request("why"), HERE)
    assert reply.text.startswith("WHYWHY")
    assert reply.tokens_out == 5
    assert reply.tokens_in is not None
    assert reply.tokens_in <= fake.bound(request("why"), window=1000, image=None)


def test_a_fake_model_may_answer_with_a_whole_reply() -> None:
    """For a model that was cut off, or does not count."""
    said = ChatReply(text="fo", resolved="small-2", finish="length", tokens_in=None, tokens_out=None)
    assert FakeModel(said).invoke(request(), HERE) == said


def test_a_virtual_clock_moves_only_when_it_is_moved() -> None:
    """A jump of the wall clock is no duration."""
    clock = VirtualClock(start=1_000)
    clock.advance(5)
    clock.jump(50)
    assert (clock.now(), clock.monotonic()) == (50, 5)
    with pytest.raises(ValueError, match="only passes"):
        clock.advance(-1)


def test_faults_drawn_by_a_seed_are_the_same_again() -> None:
    """Whatever came before in another test."""
    drawn = []
    for _ in range(2):
        server = OpenAIServer(seed=7, fault_rate=0.5)
        drawn.append([server._fault() for _ in range(50)])
    assert drawn[0] == drawn[1]
    assert 10 < sum(each != "none" for each in drawn[0]) < 40
