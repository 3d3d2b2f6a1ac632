"""What to do about a document that cannot be read: one next step for every class of failure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aie.errors import Failure, StepFailure

__all__ = ["ADVICE", "advised"]

ADVICE: Final[Mapping[Failure, str]] = MappingProxyType(
    {
        Failure.BLANK: "send a document with text; a scan needs text recognition: install tesseract where runs execute",
        Failure.BOMB: "have whoever sent the document save it again as a PDF",
        Failure.ENCRYPTED: "ask for the document without a password",
        Failure.HOSTILE: "keep the document for whoever looks after security; do not open it on a desk",
        Failure.INVALID_INPUT: "have whoever sent the document open it, save it again and send that",
        Failure.TIMEOUT: "split the document, or raise the run's limit of time",
        Failure.TOO_LARGE: "split the document",
        Failure.TRUNCATED: "ask for the document again: it did not arrive whole",
        Failure.UNSUPPORTED: "save it as PDF, DOCX, XLSX or text",
        Failure.WRONG_TYPE: "send the file that the name says, or name it for what it is",
    }
)
"""The hint for each class, where the place that failed has none of its own."""


def advised(failure: StepFailure) -> StepFailure:
    """Return the failure with a hint: its own, else the one of its class."""
    hint = ADVICE.get(failure.failure)
    if failure.hints or hint is None:
        return failure
    return StepFailure(failure.failure, failure.message, hints=(hint,), **failure.fields)
