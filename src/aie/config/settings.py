"""`aie.yaml`: the store, the engine, who decides and where results go."""

from typing import Annotated, Literal

from pydantic import Field

from aie.config.budgets import BudgetsSpec
from aie.config.lookups import Lookup
from aie.config.network import NetworkSpec
from aie.config.policy import Clearance
from aie.config.scalars import Count, Duration, Name
from aie.config.spec import Spec, StepName

__all__ = ["Desk", "FileReceiver", "HttpReceiver", "Receiver", "Settings"]


class Desk(Spec):
    """People who decide one kind of case."""

    reviewers: tuple[str, ...] = Field(default=(), strict=False)
    """Actors who may decide; empty: anyone of the tenant."""
    answer_within: Duration | None = None
    """From opening to the deadline; none: no deadline."""


class _Receiver(Spec):
    """What every receiver has."""

    identity: tuple[str, ...] = Field(default=(), strict=False)
    """Fields of the body that make two requests the same effect; empty: the whole body."""
    sensitive: tuple[StepName, ...] = Field(default=(), strict=False)
    """Fields of the body that decide what is done, e.g. `amount`, `iban`: each must be decided by a person, be
    endorsed, or come from where no outsider writes."""
    clearance: Clearance = Field(default_factory=Clearance)
    """What of labelled values it may get; left out: none. Live."""


class FileReceiver(_Receiver):
    """Drops each effect as one JSON file."""

    kind: Literal["file"]
    """A folder."""
    folder: Annotated[str, Field(min_length=1)]
    """Relative to the workspace."""
    semantics: Literal["idempotent"] = "idempotent"
    """A file drop is idempotent: the key names the file."""


class HttpReceiver(_Receiver):
    """Posts each effect as JSON."""

    kind: Literal["http"]
    """An endpoint."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$|^env:[A-Z][A-Z0-9_]*$")]
    """Where to post, or a reference `env:NAME`."""
    semantics: Literal["idempotent", "reconcile", "at_most_once"]
    """What the receiver promises about a repeated key."""
    secret: Annotated[str, Field(pattern=r"^env:[A-Z][A-Z0-9_]*$")] | None = None
    """Reference of the signing key, `env:NAME`; never the key itself."""
    timeout: Duration = 10_000_000
    """Of one delivery."""
    retries: Annotated[int, Field(ge=0, le=100)] = 5
    """Further deliveries after one that surely failed."""


Receiver = Annotated[FileReceiver | HttpReceiver, Field(discriminator="kind")]


class Settings(Spec):
    """Everything in `aie.yaml`."""

    store: Annotated[str, Field(pattern=r"^(sqlite:///\S+|postgresql(\+psycopg)?://\S+|env:[A-Z][A-Z0-9_]*)$")] = (
        "sqlite:///.aie/aie.db"
    )
    """`sqlite:///PATH` relative to the workspace, or a reference `env:NAME` to a Postgres URL."""
    engine: Literal["local", "dbos"] = "local"
    """What carries runs across a crash."""
    environments: tuple[Name, ...] = Field(default=("staging", "production"), strict=False, min_length=1)
    """Pointers to releases."""
    tenants: tuple[Name, ...] = Field(default=("default",), strict=False, min_length=1)
    """Whose data is kept apart."""
    desks: dict[Name, Desk] = Field(default_factory=dict)
    """Who decides, by name."""
    receivers: dict[Name, Receiver] = Field(default_factory=dict)
    """Where results go, by name."""
    lookups: dict[Name, Lookup] = Field(default_factory=dict)
    """Systems of record that steps may ask, by name."""
    network: NetworkSpec = Field(default_factory=NetworkSpec)
    """Where receivers and lookups may be reached. Live."""
    budgets: BudgetsSpec = Field(default_factory=BudgetsSpec)
    """What may be spent on model calls, in all. Live."""
    capacity: Count = 64
    """Runs that one worker executes at once, and calls that it makes at once: 32 at least."""
