"""Whether a found value is the known one: the comparison of training, calibration and their reports.

Known values come as somebody wrote them into a data set, not as normalised values: `RM 8.20` of a decimal field is
8.20, and a company is the same company whatever its commas.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from aie.config import FieldSpec
from aie.core import JSON
from aie.fields.normalise import normalise

__all__ = ["Known", "Reader", "known"]

Reader = Callable[[FieldSpec, str], JSON]
"""Finds the only value of a field's type in a written text; None when there is none or several."""

_WORDS: Final = frozenset({"text", "name"})


class Known:
    """The known values of one field of one case, comparable with found ones."""

    def __init__(self, spec: FieldSpec, values: frozenset[str]) -> None:
        self._spec = spec
        self.values = values
        """In the form that is compared; empty when it is known that there is none."""

    def form(self, value: JSON) -> str:
        """Return the form in which a normalised value of the field is compared."""
        if self._spec.type in _WORDS:
            return "".join(filter(str.isalnum, str(value).casefold()))
        if self._spec.type in ("decimal", "integer"):
            return f"{Decimal(str(value)).normalize():f}"
        return str(value)

    def holds(self, value: JSON) -> bool:
        """Whether a found value is a known one."""
        return self.form(value) in self.values


def known(spec: FieldSpec, expected: JSON, reader: Reader) -> Known | None:
    """Return what is known of a field; None when a value is written that no value of its type can be read from."""
    empty = Known(spec, frozenset())
    written = [] if expected is None or expected == "" else expected if isinstance(expected, list) else [expected]
    forms = set()
    for each in written:
        text = " ".join(str(each).split())
        value = normalise(spec, text)
        value = reader(spec, text) if value is None else value
        if value is None:
            return None
        forms.add(empty.form(value))
    return Known(spec, frozenset(forms))
