"""What is asked of a chat model, and how many tokens that is at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.models import ChatReply, ChatRequest, Part, Price, Tier, input_bound

PRICE = Price(input_per_million=150_000, output_per_million=600_000)


def test_a_price_is_rounded_up_once_a_call() -> None:
    """Not once a token: cheap models would cost several times their price."""
    assert PRICE.of(0, 0) == 0
    assert PRICE.of(1, 0) == 1
    assert PRICE.of(1000, 100) == 210


@given(st.text(max_size=200), st.integers(1, 500), st.data())
def test_no_answer_costs_more_than_the_worst_case(text: str, most: int, data: st.DataObject) -> None:
    """A token is a byte at least, and the answer is bounded; a longer input may be cheaper by the token."""
    steps = data.draw(st.lists(st.integers(1, 400), max_size=2, unique=True))
    tiers = [
        Tier(above=above, input_per_million=data.draw(st.integers(0, 10**6)), output_per_million=data.draw(rates))
        for rates in [st.integers(0, 10**6)]
        for above in sorted(steps)
    ]
    price = Price(input_per_million=150_000, output_per_million=600_000, tiers=tuple(tiers))
    bound = input_bound(ChatRequest(model="m", user=text, max_tokens=most), window=100_000, image=None)
    tokens_in = data.draw(st.integers(0, len(text.encode())))
    tokens_out = data.draw(st.integers(0, most))
    assert tokens_in <= bound
    assert price.of(tokens_in, tokens_out) <= price.worst(bound, most)


def test_the_context_window_bounds_the_input() -> None:
    """The provider refuses more than that, unbilled."""
    request = ChatRequest(model="m", user="x" * 1_000_000, max_tokens=10)
    assert input_bound(request, window=8000, image=None) == 8000


def test_a_file_of_unknown_size_in_tokens_may_fill_the_window() -> None:
    """Nobody counts the tokens of an image by its bytes; a fact of the catalog does, of a PDF none."""
    image, pdf = Part(media_type="image/png", content=b"1"), Part(media_type="application/pdf", content=b"2")
    shown = ChatRequest(model="m", user="x", max_tokens=10, parts=(image, image))
    assert input_bound(shown, window=8000, image=None) == 8000
    assert input_bound(shown, window=8000, image=1500) == 3000 + 1 + 256
    assert input_bound(ChatRequest(model="m", user="x", max_tokens=10, parts=(pdf,)), window=8000, image=1500) == 8000


def test_a_request_is_recorded_by_the_digests_of_its_files() -> None:
    """Two files of one size are two requests."""
    one, other = (
        ChatRequest(model="m", user="x", max_tokens=1, parts=(Part(media_type="image/png", content=content),))
        for content in (b"1", b"2")
    )
    assert one.to_json() != other.to_json()
    assert "content" not in str(one.to_json())


@pytest.mark.parametrize("tokens", [(3, 4), (None, None)])
def test_a_reply_is_recorded_and_read_back(tokens: tuple[int | None, int | None]) -> None:
    """As plain JSON."""
    reply = ChatReply(text="ok", resolved="m-1", finish="stop", tokens_in=tokens[0], tokens_out=tokens[1])
    assert ChatReply.from_json(reply.to_json()) == reply
