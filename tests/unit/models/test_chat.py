"""What a call can cost at most, and what it cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.models import ChatReply, ChatRequest, Price, worst_case

PRICE = Price(input_per_million=150_000, output_per_million=600_000)


def test_a_price_is_rounded_up_once_a_call() -> None:
    """Not once a token: cheap models would cost several times their price."""
    assert PRICE.of(0, 0) == 0
    assert PRICE.of(1, 0) == 1
    assert PRICE.of(1000, 100) == 210


@given(st.text(max_size=200), st.integers(1, 500), st.data())
def test_no_answer_costs_more_than_the_worst_case(text: str, most: int, data: st.DataObject) -> None:
    """A token is a byte at least, and the answer is bounded."""
    request = ChatRequest(model="m", user=text, max_tokens=most)
    worst = worst_case(request, PRICE, 100_000)
    tokens_in = data.draw(st.integers(0, len(text.encode())))
    tokens_out = data.draw(st.integers(0, most))
    assert PRICE.of(tokens_in, tokens_out) <= worst.cost
    assert tokens_in + tokens_out <= worst.tokens
    assert worst.calls == 1


def test_the_context_window_bounds_the_input() -> None:
    """The provider refuses more than that, unbilled."""
    request = ChatRequest(model="m", user="x" * 1_000_000, max_tokens=10)
    assert worst_case(request, PRICE, 8000).tokens == 8010


@pytest.mark.parametrize("tokens", [(3, 4), (None, None)])
def test_a_reply_is_recorded_and_read_back(tokens: tuple[int | None, int | None]) -> None:
    """As plain JSON."""
    reply = ChatReply(text="ok", resolved="m-1", finish="stop", tokens_in=tokens[0], tokens_out=tokens[1])
    assert ChatReply.from_json(reply.to_json()) == reply
