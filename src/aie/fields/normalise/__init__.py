"""From a verbatim quote to a value: what a field's type makes of the words on the page.

The same function is used to choose candidates and to check what was chosen; its behaviour is part of the runtime, so
changing what it returns raises the version of the layers that use it.
"""

from typing import assert_never

from aie.config import FieldSpec
from aie.core import JSON
from aie.fields.normalise.choices import read_choice
from aie.fields.normalise.dates import read_date
from aie.fields.normalise.durations import read_duration
from aie.fields.normalise.money import read_money
from aie.fields.normalise.names import read_name
from aie.fields.normalise.numbers import read_decimal, read_integer

__all__ = ["LONGEST_QUOTE", "normalise"]

LONGEST_QUOTE = 4_000
"""A longer quote is no value of any type but text: every reader here works in the quote's length."""


def normalise(spec: FieldSpec, quote: str) -> JSON:
    """Return the value that a quote stands for, or None when it stands for none of this field's type."""
    text = " ".join(quote.split())
    if spec.type == "text":
        return text or None
    if len(text) > LONGEST_QUOTE:
        return None
    match spec.type:
        case "name":
            return read_name(text)
        case "choice":
            return read_choice(text, spec.choices)
        case "date":
            return read_date(text, spec.order)
        case "duration":
            return read_duration(text)
        case "money":
            return read_money(text, spec.currency)
        case "decimal":
            return read_decimal(text)
        case "integer":
            return read_integer(text)
        case _:
            assert_never(spec.type)
