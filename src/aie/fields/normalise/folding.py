"""Folding: text in which case, diacritics and typographic variants make no difference, character for character."""

import unicodedata
from typing import Final

__all__ = ["fold"]

_SAME: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´`", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
    }
)


class _Folded(dict[int, str]):
    """One folded character for each character, made when first asked for."""

    def __missing__(self, point: int) -> str:
        base = unicodedata.normalize("NFD", chr(point))[0].casefold()
        self[point] = found = base if len(base) == 1 else chr(point)
        return found


_FOLDED: Final = _Folded()


def fold(text: str) -> str:
    """Return the text folded; it has the same length, so offsets stay true."""
    return text.translate(_SAME).translate(_FOLDED)
