"""A chat model without a network, for tests of whoever asks one."""

from collections.abc import Callable, Sequence

from aie.models import CallFailed, ChatReply, ChatRequest, Endpoint, input_bound

__all__ = ["FakeModel", "Said"]

Said = str | ChatReply | CallFailed
"""What a fake model does with a question: words, a whole reply, or a failure."""


class FakeModel:
    """Answers from a list, from a function of the request, or always the same, and keeps what it was asked.

    It fits wherever a `Chat` does, e.g. `ask(question, tools, lambda provider: FakeModel("42"))`. A list that is used
    up goes on with its last answer.
    """

    def __init__(self, answer: Said | Sequence[Said] | Callable[[ChatRequest], Said] = "ok") -> None:
        self._answer = answer
        self.requests: list[ChatRequest] = []
        """What it was asked, in order."""

    def invoke(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Answer.

        Raises:
            CallFailed: the answer is one.
        """
        said = self._said(request)
        self.requests.append(request)
        if isinstance(said, CallFailed):
            raise said
        if isinstance(said, ChatReply):
            return said
        tokens_in = len(request.system.encode()) + len(request.user.encode())
        return ChatReply(
            text=said,
            resolved=request.model,
            finish="stop",
            tokens_in=tokens_in,
            tokens_out=min(len(said.encode()), request.max_tokens),
        )

    def stream(self, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        """Answer as `invoke` does.

        Raises:
            CallFailed: the answer is one.
        """
        return self.invoke(request, endpoint)

    def bound(self, request: ChatRequest, *, window: int, image: int | None) -> int:
        """Return the most tokens that the input can have."""
        return input_bound(request, window=window, image=image)

    def _said(self, request: ChatRequest) -> Said:
        if callable(self._answer):
            return self._answer(request)
        if isinstance(self._answer, str | ChatReply | CallFailed):
            return self._answer
        return self._answer[min(len(self.requests), len(self._answer) - 1)]
