"""What a vendor's library raises, sorted by what it means for the step and for the bill."""

from dataclasses import dataclass
from typing import Final

from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelTimeoutError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
)

from aie.errors import Failure
from aie.models.chat import CallFailed

__all__ = ["Transport", "call_failed"]

_REFUSALS: Final = frozenset(range(400, 500)) - {408, 424}
"""Statuses of a request that nobody answered. Behind 408 and 424 a model may have worked, and failed."""

_MISREADING: Final = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a library raises that reads an answer of another form as if it had the one it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """What a vendor's library lets through of what lies beneath it."""

    unreached: tuple[type[BaseException], ...]
    """Raised when no connection was ever made."""
    nonsense: tuple[type[BaseException], ...] = ()
    """Raised over an answer that is not of the protocol."""


def call_failed(error: Exception, transport: Transport, *, left: bool) -> CallFailed:
    """Sort a failure by what it means for the step and for the bill; no provider's message leaves.

    Args:
        error: what a vendor's library raised.
        transport: what that library lets through.
        left: whether a request has left this process; one that has not is never billed.
    """
    if isinstance(error, CallFailed):
        return error
    failed = _sorted(error, transport)
    if left:
        return failed
    if failed.failure is Failure.TIMEOUT:
        return CallFailed(Failure.TIMEOUT, "no time was left to send the request", billed=False)
    return CallFailed(Failure.PROVIDER_REFUSED, f"the request could not be made ({type(error).__name__})", billed=False)


def _sorted(error: Exception, transport: Transport) -> CallFailed:
    wait = error.retry_after if isinstance(error, ModelAPIError) else None
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    refused = status in _REFUSALS
    match error:
        case TimeoutError() | ModelRequestTimeout():
            return CallFailed(Failure.TIMEOUT, "the answer was not whole in time", billed=True)
        case ModelRateLimitError():
            return CallFailed(
                Failure.RATE_LIMITED,
                "the provider limits the rate of calls",
                billed=False,
                retry_after=None if wait is None else int(wait * 1_000_000),
            )
        case _ if not isinstance(error, ModelHTTPError) and _caused_by(error, *transport.nonsense):
            return CallFailed(Failure.INVALID_OUTPUT, "the provider's answer is not of the protocol", billed=True)
        case ModelConnectionError() if _caused_by(error, *transport.unreached):
            return CallFailed(Failure.PROVIDER_DOWN, "the endpoint cannot be reached", billed=False)
        case ModelTimeoutError() if _caused_by(error, TimeoutError):
            return CallFailed(Failure.TIMEOUT, "no answer in time", billed=True)
        case ModelConnectionError():
            return CallFailed(Failure.PROVIDER_DOWN, "the connection broke before the answer was whole", billed=True)
        case ModelNotFoundError():
            return CallFailed(Failure.MODEL_RETIRED, "the provider does not know the model", billed=False)
        case ModelUnavailableError():
            return CallFailed(Failure.PROVIDER_DOWN, _status("the provider turned the call away", status), billed=False)
        case ModelRequestRejectedError() | ContentFilterError():
            return CallFailed(
                Failure.PROVIDER_REFUSED, _status("the provider refused the request", status), billed=not refused
            )
        case _ if _misread(error):
            return CallFailed(Failure.INVALID_OUTPUT, "the provider's answer is not of the protocol", billed=True)
        case _ if refused:
            return CallFailed(
                Failure.PROVIDER_REFUSED, _status("the provider refused the request", status), billed=False
            )
        case _:
            return CallFailed(Failure.PROVIDER_DOWN, _status("the provider failed", status), billed=True)


def _misread(error: Exception) -> bool:
    """Tell whether an answer came that has another form than the protocol's."""
    match error:
        case UnexpectedModelBehavior() | ModelAPIError(__cause__=ValueError()):
            return True
        case ModelHTTPError():
            return False
        case _:
            return isinstance(error, _MISREADING)


def _caused_by(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Tell whether an error of these kinds is at the bottom.

    The transport's own error is asked: the layers above it call a server that hung up on a sent request a timeout of
    the connect phase, and such a call may be billed.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kinds):
        cause = cause.__cause__
    return cause is not None


def _status(text: str, status: int | None) -> str:
    return text if status is None else f"{text} with HTTP status {status}"
