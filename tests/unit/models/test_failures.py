"""What a library's error means for the step and for the bill."""

import pytest
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

from aie.errors import Failure
from aie.models import CallFailed
from aie.models.providers.failures import Transport, call_failed

TRANSPORT = Transport(unreached=(ConnectionRefusedError,), nonsense=(EOFError,))


def api_error(cause: Exception | None) -> ModelAPIError:
    """Return an error of a library over one beneath it."""
    error = ModelAPIError("small-1", "as planned")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TimeoutError(), Failure.TIMEOUT),
        (KeyError("usage"), Failure.INVALID_OUTPUT),
        (api_error(None), Failure.PROVIDER_DOWN),
        (api_error(EOFError()), Failure.INVALID_OUTPUT),
        (api_error(OSError()), Failure.PROVIDER_DOWN),
        (ModelHTTPError(500, "small-1"), Failure.PROVIDER_DOWN),
        (RuntimeError(), Failure.PROVIDER_DOWN),
    ],
)
def test_what_fails_after_a_request_has_left_may_have_been_billed(error: Exception, failure: Failure) -> None:
    """Whatever it is."""
    failed = call_failed(error, TRANSPORT, left=True)
    assert (failed.failure, failed.billed) == (failure, True)
    assert "as planned" not in failed.message


@pytest.mark.parametrize(
    ("error", "failure"),
    [(TimeoutError(), Failure.TIMEOUT), (ValueError("the key"), Failure.PROVIDER_REFUSED)],
)
def test_what_fails_before_a_request_has_left_is_never_billed(error: Exception, failure: Failure) -> None:
    """The message names the kind of error, and nothing that stood in it."""
    failed = call_failed(error, TRANSPORT, left=False)
    assert (failed.failure, failed.billed) == (failure, False)
    assert "the key" not in failed.message


def test_an_adapters_own_words_stay() -> None:
    """It knows best."""
    own = CallFailed(Failure.PROVIDER_REFUSED, "no region", billed=False)
    assert call_failed(own, TRANSPORT, left=False) is own
