"""Chat models of `models.yaml`: hosted, or behind an endpoint of one's own."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from aie.config.catalog.entry import Entry
from aie.config.catalog.forms import Day, day_start, form_expected
from aie.config.scalars import Count, DecimalText, Duration, Usd
from aie.config.spec import Spec
from aie.core import JSON

__all__ = ["Breaker", "ChatModel", "Feature", "Modality", "Parameters", "Price", "Rates", "Retry"]

_PUBLIC: Final = "^genai-prices(:[a-z0-9_-]+)?$"

Modality = Literal["text", "image", "pdf"]
"""What a model can be shown."""
Feature = Literal["json_schema", "tools"]
"""json_schema: answers by a schema that the provider enforces. tools: calls functions by their schemas."""


class Parameters(Spec):
    """Sampling parameters; they change answers and are pinned."""

    max_tokens: Count = 1024
    """The most tokens of one answer."""
    temperature: DecimalText = "0.0"
    """0 for the likeliest answer; larger varies more."""
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    """Makes sampling repeatable where the provider promises it."""


class Price(Spec):
    """What a hosted model costs, for as long as the sheet is valid. Live: each call is priced at its own time."""

    valid_from: Day | None = Field(default=None, alias="from")
    """First day; none: since ever."""
    until: Day | None = None
    """First day that it is no longer valid; none: until a later sheet begins."""
    input_per_million: Usd
    """Micro-USD for a million input tokens."""
    output_per_million: Usd
    """Micro-USD for a million output tokens."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "Price":
        if self.valid_from is not None and self.until is not None and self.until <= self.valid_from:
            days: dict[str, object] = {"until": self.until, "begins": self.valid_from}
            raise PydanticCustomError("days", "`until: {until}` is not after `from: {begins}`", days)
        return self

    def to_json(self) -> dict[str, JSON]:
        """Return the sheet with its days as microseconds since the epoch."""
        return {
            "from": None if self.valid_from is None else day_start(self.valid_from),
            "until": None if self.until is None else day_start(self.until),
            "input_per_million": self.input_per_million,
            "output_per_million": self.output_per_million,
        }


class Rates(Spec):
    """What the endpoint takes at most, of all workers together; a call beyond it waits. Live."""

    rpm: Count | None = None
    """Requests a minute."""
    tpm: Count | None = None
    """Tokens a minute."""
    concurrency: Count | None = None
    """Calls at the same time."""


Times = Annotated[int, Field(ge=0, le=10)]
"""How often something is done again."""


def _of_calls(value: int) -> int:
    if not 1_000 <= value <= 86_400_000_000:
        raise form_expected("a duration from 1 ms to 1 day", "60 s")
    return value


CallTime = Annotated[Duration, AfterValidator(_of_calls)]
"""A duration that a call can have."""


class Retry(Spec):
    """How often a call that brought no answer is made again, by its class of failure. Live.

    Each time is an attempt with its own reservation. A route asks its other candidates first.
    """

    rate_limited: Times = 2
    """The provider limits the rate of calls."""
    provider_down: Times = 1
    """It cannot be reached, or failed."""
    timeout: Times = 0
    """No answer in time."""
    invalid_output: Times = 0
    """An answer that is not of the protocol."""
    at_most: Duration = 60_000_000
    """The longest wait before a call is made again: a provider that asks for more fails the call. So long one try of a
    step waits for open circuit breakers in all."""


class Breaker(Spec):
    """When an endpoint that fails is asked nothing more for a while: its circuit breaker. Live."""

    failures: Count = 5
    """So many calls that failed `within`, at least half of all, open it."""
    within: CallTime = 30_000_000
    """The time that is looked back on."""
    pause: CallTime = 15_000_000
    """How long nothing is asked; then one call tries."""


def _shape(value: object) -> str:
    if isinstance(value, str):
        return "<public>"
    return "<sheets>" if isinstance(value, list | tuple) else "<sheet>"


def _public(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch(_PUBLIC, value) is None:
        sheet = "{input_per_million: 0.15 USD, output_per_million: 0.60 USD}"
        raise form_expected("a sheet, a list of sheets, or `genai-prices`", sheet)
    return value


# Told apart by shape, so that a mistake in one form is not also reported as a mistake in the others.
_Prices = Annotated[
    Annotated[Price, Tag("<sheet>")]
    | Annotated[tuple[Price, ...], Field(min_length=1, strict=False), Tag("<sheets>")]
    | Annotated[str, BeforeValidator(_public), WithJsonSchema({"type": "string", "pattern": _PUBLIC}), Tag("<public>")],
    Discriminator(_shape),
]


class ChatModel(Entry):
    """A hosted or local chat model."""

    kind: Literal["chat"]
    """Asked with a prompt."""
    provider: Literal["openai_compatible", "anthropic", "google", "bedrock", "mistral"]
    """The protocol that the endpoint speaks."""
    endpoint: Annotated[str, Field(pattern=r"^https?://\S+$|^env:[A-Z][A-Z0-9_]*$")]
    """Base URL, or a reference `env:NAME`: with `/v1` for `openai_compatible`, for others without a version. `bedrock`
    takes the region to sign for from it. Live."""
    model: Annotated[str, Field(min_length=1)]
    """Identifier of the snapshot, as the provider names it."""
    api_key: Annotated[str, Field(pattern=r"^env:[A-Z][A-Z0-9_]*$")] | None = None
    """Reference of the key, `env:NAME`; never the key itself. `bedrock` does without one: as whom AWS takes the process
    for. Live."""
    parameters: Parameters = Field(default_factory=Parameters)
    """How it samples."""
    modalities: tuple[Modality, ...] = Field(default=("text",), strict=False)
    """What it can be shown."""
    features: tuple[Feature, ...] | None = Field(default=None, strict=False)
    """What it can do; none: unknown. Decides how an answer by a schema is asked for: by the provider's own means, by a
    function, or in the words of the prompt."""
    price: _Prices | None = None
    """Own sheets, or `genai-prices`: the list prices of the installed package of that name, `genai-prices:PROVIDER`
    where the endpoint's URL does not tell the provider. None only with `local: true`."""
    local: bool = False
    """True for a model on hardware of one's own: it costs 0 USD."""
    context_window: Count
    """Tokens of input and output together."""
    max_output: Count | None = None
    """The most tokens the model can answer with; none: `parameters.max_tokens`."""
    tokens_per_image: Count | None = None
    """The most tokens of an image; none: unknown, one may fill the context window, as a PDF always may."""
    rates: Rates = Field(default_factory=Rates)
    """What the endpoint takes at most."""
    retry: Retry = Field(default_factory=Retry)
    """How often a call is made again."""
    breaker: Breaker = Field(default_factory=Breaker)
    """When it is asked nothing more for a while."""
    timeout: CallTime = 60_000_000
    """Of one call, from its first byte to its last. Live."""
    stream: bool = False
    """True takes answers piece by piece, for endpoints that cut connections on which nothing moves. Live."""

    @field_validator("endpoint")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if not value.startswith("env:") and "@" in urlsplit(value).netloc:
            # Not `form_expected`, which shows what was written.
            raise PydanticCustomError(
                "credentials", "an endpoint holds no user and no password: use `api_key: env:NAME`"
            )
        return value

    @model_validator(mode="after")
    def _priced(self) -> "ChatModel":
        if (self.price is None) != self.local:
            raise PydanticCustomError(
                "price", "a chat model has a `price`, or `local: true` for one of your own", {"path": "price"}
            )
        return self

    def pinned(self) -> dict[str, JSON]:
        """Return what changes an answer."""
        return {
            "kind": self.kind,
            "provider": self.provider,
            "model": self.model,
            "parameters": self.parameters.model_dump(mode="json"),
            "features": None if self.features is None else [*sorted(self.features)],
            "context_window": self.context_window,
            "max_output": self.max_output,
        }

    def live(self) -> dict[str, JSON]:
        """Return what permits or costs, its price apart: that depends on the time."""
        return {
            **self.permits(),
            "local": False,
            "endpoint": self.endpoint,
            "api_key": self.api_key,
            "timeout": self.timeout,
            "stream": self.stream,
            "modalities": [*sorted(self.modalities)],
            "tokens_per_image": self.tokens_per_image,
            "rates": self.rates.model_dump(mode="json"),
            "retry": self.retry.model_dump(mode="json"),
            "breaker": self.breaker.model_dump(mode="json"),
        }

    def sheets(self) -> tuple[Price, ...]:
        """Return its own price sheets; none where it is free or publicly priced."""
        if self.price is None or isinstance(self.price, str):
            return ()
        return (self.price,) if isinstance(self.price, Price) else self.price
