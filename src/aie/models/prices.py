"""What a model costs at a time, in integers: own price sheets, or the list prices of the package `genai-prices`.

The package's data is bundled: nothing is fetched, and its prices change with its version only. They are compiled to
tables when an entry is first asked for, as one of its own calculations costs half a millisecond.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import cache
from importlib import import_module
from typing import Any, Final, cast

from aie.config import ChatModel
from aie.core import JSON

__all__ = ["Price", "Tier", "price_at", "price_holds"]

_MILLION: Final = 1_000_000
_PUBLIC: Final = "genai-prices"
_ENDLESS: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Rates that hold for the whole of a call whose input is longer than a number of tokens."""

    above: int
    """Input tokens."""
    input_per_million: int
    """Micro-USD for a million input tokens."""
    output_per_million: int
    """Micro-USD for a million output tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What tokens cost, as it is now, in integers."""

    input_per_million: int
    """Micro-USD for a million input tokens."""
    output_per_million: int
    """Micro-USD for a million output tokens."""
    tiers: tuple[Tier, ...] = ()
    """Rates of longer inputs, shortest first."""

    def of(self, tokens_in: int, tokens_out: int) -> int:
        """Return the micro-USD of one call, rounded up once."""
        return _cost(tokens_in, tokens_out, *self.rates(tokens_in)[-1])

    def worst(self, tokens_in: int, tokens_out: int) -> int:
        """Return the most that a call of no more tokens costs: a shorter input may have the dearer rate."""
        return max([_cost(tokens_in, tokens_out, *rates) for rates in self.rates(tokens_in)])

    def rates(self, tokens_in: int) -> list[tuple[int, int]]:
        """Return the micro-USD for a million input and output tokens: the base's, then those of each tier reached."""
        reached = [(each.input_per_million, each.output_per_million) for each in self.tiers if tokens_in > each.above]
        return [(self.input_per_million, self.output_per_million), *reached]

    def to_json(self) -> dict[str, JSON]:
        """Return the form of a live fact."""
        return {
            "input_per_million": self.input_per_million,
            "output_per_million": self.output_per_million,
            "tiers": [
                {
                    "above": each.above,
                    "input_per_million": each.input_per_million,
                    "output_per_million": each.output_per_million,
                }
                for each in self.tiers
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Price":
        """Read what `to_json` returned."""
        return cls(
            input_per_million=data["input_per_million"],
            output_per_million=data["output_per_million"],
            tiers=tuple(Tier(**each) for each in data.get("tiers", ())),
        )


def _cost(tokens_in: int, tokens_out: int, input_per_million: int, output_per_million: int) -> int:
    return -(-(tokens_in * input_per_million + tokens_out * output_per_million) // _MILLION)


FREE: Final = Price(input_per_million=0, output_per_million=0)


def price_at(entry: ChatModel, at: int) -> Price | None:
    """Return what a model costs at a time (microseconds since the epoch); None when nobody knows."""
    return FREE if entry.local else _valid(_sheets_of(entry), at)


def price_holds(entry: ChatModel, at: int) -> int:
    """Return until when the price is the same as at a time (both in microseconds since the epoch)."""
    days = (day for each in _sheets_of(entry) for day in (each.start, each.end) if day is not None and day > at)
    return min(days, default=_ENDLESS)


def _sheets_of(entry: ChatModel) -> Iterable["_Sheet"]:
    if isinstance(entry.price, str):
        provider = entry.price.removeprefix(_PUBLIC).removeprefix(":")
        url = "" if entry.endpoint.startswith("env:") else entry.endpoint
        return _public(entry.model, provider, url)
    return _own(entry)


def _own(entry: ChatModel) -> Iterator["_Sheet"]:
    for each in entry.sheets():
        stored = cast("dict[str, Any]", each.to_json())
        price = Price(input_per_million=each.input_per_million, output_per_million=each.output_per_million)
        yield _Sheet(start=stored["from"], end=stored["until"], price=price)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    start: int | None
    end: int | None
    price: Price


def _valid(sheets: Iterable[_Sheet], at: int) -> Price | None:
    """Return the price of the latest sheet that holds; one without an end is over when another begins."""
    begun = [each for each in sheets if each.start is None or each.start <= at]
    if not begun:
        return None
    latest = max(begun, key=_begins)
    holding = [each for each in begun if (each is latest if each.end is None else at < each.end)]
    return max(holding, key=_begins).price if holding else None


def _begins(sheet: _Sheet) -> int:
    return -1 if sheet.start is None else sheet.start


@cache
def _public(model: str, provider: str, url: str) -> tuple[_Sheet, ...]:
    """Return the list prices of a model; none when the package is missing or does not know it."""
    if not provider and not url:
        return ()
    try:
        snapshot = import_module("genai_prices.data_snapshot").get_snapshot()
        prices = snapshot.find_provider_model(model, None, provider or None, url or None)[1].prices
    except (ImportError, LookupError):
        return ()
    return tuple(_sheets(prices if isinstance(prices, list) else [prices]))


def _sheets(prices: Iterable[Any]) -> Iterator[_Sheet]:
    """Yield a sheet for each day that prices began. What depends on the hour counts at its dearest."""
    dated: list[tuple[int | None, Any]] = []
    hourly: list[Any] = []
    for each in prices:
        constraint, own = getattr(each, "constraint", None), getattr(each, "prices", each)
        day = getattr(constraint, "start_date", None)
        if constraint is not None and day is None:
            hourly.append(own)
        else:
            start = None if day is None else int(datetime.combine(day, datetime.min.time(), UTC).timestamp()) * _MILLION
            dated.append((start, own))
    for start, own in dated:
        tables = [_table(each) for each in (own, *hourly)]
        if any(each is None for each in tables):
            continue
        yield _Sheet(start=start, end=None, price=_dearest([each for each in tables if each is not None]))


def _table(own: Any) -> Price | None:
    rates = [getattr(own, name, None) for name in ("input_mtok", "output_mtok")]
    if any(rate is None for rate in rates):
        return None
    starts = sorted({tier.start for rate in rates for tier in getattr(rate, "tiers", ())})
    tiers = [
        Tier(above=start, input_per_million=_rate(rates[0], start), output_per_million=_rate(rates[1], start))
        for start in starts
    ]
    return Price(input_per_million=_rate(rates[0], -1), output_per_million=_rate(rates[1], -1), tiers=tuple(tiers))


def _rate(rate: Any, above: int) -> int:
    """Return the micro-USD of a million tokens for inputs longer than a number of tokens."""
    reached = [tier.price for tier in getattr(rate, "tiers", ()) if tier.start <= above]
    value = reached[-1] if reached else getattr(rate, "base", rate)
    return int((Decimal(value) * _MILLION).to_integral_value(ROUND_CEILING))


def _dearest(tables: list[Price]) -> Price:
    starts = sorted({tier.above for table in tables for tier in table.tiers})

    def most(above: int) -> Tier:
        rates = [table.rates(above + 1)[-1] for table in tables]
        return Tier(
            above=above,
            input_per_million=max(rate for rate, _ in rates),
            output_per_million=max(rate for _, rate in rates),
        )

    base = most(-1)
    return Price(
        input_per_million=base.input_per_million,
        output_per_million=base.output_per_million,
        tiers=tuple(most(start) for start in starts),
    )
