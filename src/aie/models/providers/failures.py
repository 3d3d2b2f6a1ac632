"""What a vendor's library raises, sorted by what it means for the step and for the bill."""

from typing import Final

from aiohttp import ClientConnectorError, ConnectionTimeoutError
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

__all__ = ["call_failed"]

_CLIENT_ERROR: Final = range(400, 500)


def call_failed(error: Exception) -> CallFailed:
    """Sort a failure by what it means for the step and for the bill; no provider's message leaves."""
    wait = error.retry_after if isinstance(error, ModelAPIError) else None
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    refused = status in _CLIENT_ERROR if status is not None else False
    match error:
        case ModelRateLimitError():
            return CallFailed(
                Failure.RATE_LIMITED,
                "the provider limits the rate of calls",
                billed=False,
                retry_after=None if wait is None else int(wait * 1_000_000),
            )
        case ModelRequestTimeout():
            return CallFailed(Failure.TIMEOUT, "no answer in time", billed=True)
        case ModelConnectionError() if _caused_by(error, ClientConnectorError, ConnectionTimeoutError):
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
        case UnexpectedModelBehavior() | ModelAPIError(__cause__=ValueError()):
            return CallFailed(Failure.INVALID_OUTPUT, "the provider's answer is not of the protocol", billed=True)
        case _ if refused:
            return CallFailed(
                Failure.PROVIDER_REFUSED, _status("the provider refused the request", status), billed=False
            )
        case _:
            return CallFailed(Failure.PROVIDER_DOWN, _status("the provider failed", status), billed=True)


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
