"""Every error the engine raises on purpose.

The tree:

* AieError
  - ConfigError            what people wrote is wrong; carries every `Problem` found
  - InputError             the input of one run or command is wrong
  - NotFound               a run, release, review, environment … that does not exist
  - Conflict               the world moved on: stale page, second decision, reused idempotency key
    · IdempotencyConflict  the same key with another body
    · ModelRetired         a model of the release is at the end of its calendar
  - Denied                 the actor may not do this
  - StoreError             the store cannot be used as asked
    · StoreBusy            another process is the executor of this SQLite store
    · FenceLost            this executor no longer owns the run
    · IntegrityError       what is stored is not what was written
  - StepFailure            a step could not do its work; `failure` is its class of the taxonomy
    · LimitReached         a hard limit of the run or a budget above it would be passed
  - NeedsRuntime           no layer version of this worker serves the release
  - Unavailable            an optional part is not installed or not reachable

Flow is not failure: `Signal` is outside the tree so that no `except Exception` in a layer can swallow it.

* Signal (BaseException)
  - Cancelled              the run was cancelled
  - Held                   a call waits for money, for its turn, or for a kill switch to be lifted
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = [
    "AieError",
    "Cancelled",
    "ConfigError",
    "Conflict",
    "Denied",
    "Edit",
    "Failure",
    "FenceLost",
    "Held",
    "IdempotencyConflict",
    "InputError",
    "IntegrityError",
    "LimitReached",
    "ModelRetired",
    "NeedsRuntime",
    "NotFound",
    "Problem",
    "Signal",
    "StepFailure",
    "StoreBusy",
    "StoreError",
    "Unavailable",
]


class Failure(StrEnum):
    """Why a step or a run could not go on: the closed taxonomy that handlers (`on:`) are declared for."""

    ENCRYPTED = "encrypted"
    TRUNCATED = "truncated"
    BLANK = "blank"
    WRONG_TYPE = "wrong_type"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    BOMB = "bomb"
    HOSTILE = "hostile"
    INVALID_INPUT = "invalid_input"
    PROVIDER_DOWN = "provider_down"
    PROVIDER_REFUSED = "provider_refused"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    INVALID_OUTPUT = "invalid_output"
    CHECK_FAILED = "check_failed"
    LIMIT_REACHED = "limit_reached"
    MODEL_RETIRED = "model_retired"
    NOT_PERMITTED = "not_permitted"
    LOOKUP_MISSING = "lookup_missing"
    RECEIVER_DOWN = "receiver_down"
    RECEIVER_REFUSED = "receiver_refused"
    DELIVERY_UNKNOWN = "delivery_unknown"
    REVIEW_REJECTED = "review_rejected"
    REVIEW_EXPIRED = "review_expired"
    EXPRESSION = "expression"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of one file that mends a problem: lines `line..end_line` (1-based, inclusive) become `lines`."""

    file: str
    line: int
    end_line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in what people wrote, with its place and its mending."""

    code: str
    """Stable kebab-case name of the kind of mistake, e.g. `unknown-key`."""
    file: str
    """Path as the user would type it, relative to the workspace."""
    line: int
    """1-based."""
    col: int
    """1-based."""
    key: str
    """Dotted path of the key, e.g. `steps.fields.model`; empty for the whole file."""
    message: str
    """What is wrong and what was expected."""
    hint: str = ""
    """How to mend it, in words; empty when there is nothing better to say than the message."""
    edit: Edit | None = None
    """The same hint as a change that a machine can apply; None when a person must choose."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.col}"
        return f"{place}: {self.key + ': ' if self.key else ''}{self.message} [{self.code}]"


class AieError(Exception):
    """Something the engine refuses or cannot do, said so that the reader can act on it."""

    code = "error"
    exit_code = 1
    """Exit status of a command that ends with this error."""
    retryable = False
    """True when the same call may succeed later without anything being mended."""

    def __init__(self, message: str, *, hints: Sequence[str] = (), **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)
        self.fields = fields
        """Structured facts (run, release, limit …) for `--format json`; never secret or personal values."""


class ConfigError(AieError):
    """The files of a workspace have mistakes; all of them are in `problems`."""

    code = "config"
    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the workspace")
        self.problems = tuple(problems)


class InputError(AieError):
    """The input of a run or the argument of a command is not what was declared."""

    code = "input"
    exit_code = 2


class NotFound(AieError):
    """The thing named does not exist here."""

    code = "not-found"
    exit_code = 3


class Conflict(AieError):
    """The thing changed since it was looked at, or was already done."""

    code = "conflict"
    exit_code = 4


class IdempotencyConflict(Conflict):
    """The idempotency key was used before with another body."""

    code = "idempotency-conflict"


class ModelRetired(Conflict):
    """A model that the release rests on has reached the end of its calendar."""

    code = "model-retired"


class Denied(AieError):
    """The actor has no right to do this."""

    code = "denied"
    exit_code = 5


class StoreError(AieError):
    """The store cannot be used as asked."""

    code = "store"
    exit_code = 6


class StoreBusy(StoreError):
    """Another process is the executor of this SQLite store."""

    code = "store-busy"
    retryable = True


class FenceLost(StoreError):
    """This executor no longer owns the run: another epoch was started."""

    code = "fence-lost"


class IntegrityError(StoreError):
    """What is stored differs from what was written."""

    code = "integrity"
    exit_code = 7


class StepFailure(AieError):
    """A step could not do its work; the run follows the handler declared for the failure's class."""

    code = "step-failure"

    def __init__(self, failure: Failure, message: str, *, hints: Sequence[str] = (), **fields: object) -> None:
        super().__init__(message, hints=hints, **fields)
        self.failure = failure
        self.report: Any = None
        """What the layer says of its work so far, as canonical JSON: recorded, sealed, beside the failure."""
        self.again: int | None = None
        """Microseconds after which the same is worth another try; None: it is not."""
        self.hold: Held | None = None
        """What the step waits for, durably, instead of failing; None: it fails."""


class LimitReached(StepFailure):
    """A hard limit of the run, or a budget above it, would be passed."""

    code = "limit-reached"

    def __init__(self, message: str, *, limit: str, free: int, needed: int, on_exhausted: str = "fail") -> None:
        super().__init__(Failure.LIMIT_REACHED, message, limit=limit, free=free, needed=needed)
        self.on_exhausted = on_exhausted
        """`degrade` when the caller may try a cheaper candidate instead of failing."""


class NeedsRuntime(AieError):
    """No layer version that this worker provides serves the release of the run."""

    code = "needs-runtime"


class Unavailable(AieError):
    """An optional part is not installed or cannot be reached."""

    code = "unavailable"


class Signal(BaseException):
    """Flow that user code must not swallow; recorded as an outcome, never as a failure."""


class Cancelled(Signal):
    """The run was cancelled."""


class Held(Signal):
    """A call must not leave now, and the step waits, durably, until it may.

    Args:
        why: for people: which budget or stop, how much was free, how much was needed.
        on: what has to change: a window of a budget, a stop such as `stop:model:reader`, the rates of a model
            (`rate:reader`), its circuit breaker (`breaker:reader`), or the time (`until:` and microseconds since the
            epoch; `later`: `wait` from now).
        cost: micro-USD that the call may need.
        tokens: tokens that the call may need.
        wait: microseconds that it takes at least.
        at_most: microseconds that one try of a step waits for the like, then it fails; 0: however long it takes.
    """

    def __init__(self, why: str, *, on: str, cost: int = 0, tokens: int = 0, wait: int = 0, at_most: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.on = on
        self.cost = cost
        self.tokens = tokens
        self.wait = wait
        self.at_most = at_most
