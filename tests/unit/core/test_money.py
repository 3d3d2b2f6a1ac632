"""Amounts of spend: what is counted, and what never is."""

import pytest

from aie.core import micro_usd, usd
from aie.errors import InputError


def test_spend_is_counted_in_whole_micro_usd_rounded_up() -> None:
    """From nothing to the most that there is."""
    amounts = ("0.00 USD", "0.10 USD", "0.000001 USD", "9000000000.00 USD")
    assert [micro_usd(each) for each in amounts] == [0, 100_000, 1, 9_000_000_000_000_000]
    assert micro_usd("9000000000.00 USD") < 2**53


@pytest.mark.parametrize("amount", ["-0.01 USD", "-5.00 USD", "9000000000.01 USD", "99999999999.00 USD"])
def test_spend_below_nothing_or_beyond_counting_is_refused_with_its_range(amount: str) -> None:
    """A price below zero would let spend run backwards, one too large would find no room in an integer."""
    with pytest.raises(InputError, match=r"from 0\.00 USD to 9000000000\.00 USD") as caught:
        micro_usd(amount)
    assert caught.value.hints == ("write it as `20.00 USD`",)
    assert amount in caught.value.message


def test_other_currencies_are_no_spend() -> None:
    """Nothing is converted."""
    with pytest.raises(InputError, match="not EUR"):
        micro_usd("5.00 EUR")
    assert usd(1) == "0.000001 USD"
