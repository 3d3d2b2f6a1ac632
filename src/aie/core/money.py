"""Money: business amounts as exact decimals with a currency, spend as integers of micro-USD."""

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from aie.errors import InputError

__all__ = ["MOST_SPEND", "Money", "micro_usd", "usd"]

MOST_SPEND: Final = 9_000_000_000_000_000
"""Micro-USD that can be counted: the integers of JSON end soon after."""

_FORM = re.compile(r"(?P<amount>-?[0-9]{1,15}(?:\.[0-9]{1,6})?) (?P<currency>[A-Z]{3})")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency. Two currencies have no order and no sum."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> "Money":
        """Read `500.00 USD`.

        Raises:
            InputError: another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise InputError(f"{text!r} is not an amount of money", hints=("write it as `500.00 USD`",))
        return cls(Decimal(match["amount"]), match["currency"])

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def micro_usd(text: str) -> int:
    """Return the micro-USD of `0.10 USD`, rounded up.

    Raises:
        InputError: not an amount, not in USD, below nothing, or more than can be counted.
    """
    money = Money.parse(text)
    if money.currency != "USD":
        raise InputError(f"spend is counted in USD, not {money.currency}")
    micro = int((money.amount * 1_000_000).to_integral_value(ROUND_CEILING))
    if not 0 <= micro <= MOST_SPEND:
        raise InputError(
            f"{text} is no amount that can be spent: from {usd(0)} to {usd(MOST_SPEND)}",
            hints=("write it as `20.00 USD`",),
        )
    return micro


def usd(micro: int) -> str:
    """Return `0.10 USD` for an integer of micro-USD, with as many decimals as it needs and at least two."""
    text = f"{Decimal(micro) / 1_000_000:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')} USD"
