"""Amounts of money: a number with a currency's sign or code before or after it."""

import re
from typing import Final

from aie.fields.normalise.folding import fold
from aie.fields.normalise.numbers import NO_MORE, NUMBER, exact

__all__ = ["MONEY", "read_money"]

_SIGNS: Final = {
    "us$": "USD",
    "a$": "AUD",
    "au$": "AUD",
    "c$": "CAD",
    "ca$": "CAD",
    "hk$": "HKD",
    "nz$": "NZD",
    "s$": "SGD",
    "r$": "BRL",
    "rm": "MYR",
    "rs": "INR",
    "rs.": "INR",
    "fr.": "CHF",
    "sfr.": "CHF",
    "kr": "SEK",
    "zł": "PLN",
    "zl": "PLN",
    "kč": "CZK",
    "kc": "CZK",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY",
    "₫": "VND",
    "₱": "PHP",
    "฿": "THB",
    "₪": "ILS",
}
"""Currencies by sign, folded; `$` alone is that of the United States, unless the field names another currency."""
_CODES: Final = (
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KRW MAD MXN MYR NOK NZD "
    "PEN PHP PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR"
)
_CURRENCY: Final = "|".join(
    [
        *map(re.escape, sorted(_SIGNS, key=len, reverse=True)),
        *(each.lower() for each in _CODES.split()),
        "dollars?",
        "euros?",
    ]
)

MONEY: Final = rf"(?:(?:{_CURRENCY})\s?(?:{NUMBER}){NO_MORE}|(?:{NUMBER})\s?(?:{_CURRENCY})(?![a-z]))"
"""Where an amount with its currency may stand in a folded text."""

_SPLIT: Final = re.compile(rf"(-)?(?P<before>{_CURRENCY})?\s?(?P<number>{NUMBER})\s?(?P<after>{_CURRENCY})?(?:/-|,-)?")
_WORDS: Final = {"dollar": "USD", "dollars": "USD", "euro": "EUR", "euros": "EUR"}


def read_money(text: str, currency: str | None) -> str | None:
    """Return an amount such as `500.00 USD`, with the decimals that are written, none as two.

    Args:
        text: e.g. `RM 12.50`, `1.234,56 €`, `USD 500`, `(20.00)`.
        currency: of an amount written without one, and of a bare `$`.
    """
    match = _SPLIT.fullmatch(fold(text).strip())
    if match is None or (match["before"] and match["after"] and _code(match["before"]) != _code(match["after"])):
        return None
    written = match["before"] or match["after"]
    code = currency if written is None or (written == "$" and currency is not None) else _code(written)
    amount = exact(match["number"], three_group=True)
    if code is None or amount is None:
        return None
    amount = -amount if match[1] else amount
    places = max(2, -int(amount.as_tuple().exponent))
    return f"{amount:.{places}f} {code}"


def _code(written: str) -> str:
    return _SIGNS.get(written) or _WORDS.get(written) or written.upper()
