"""Text that a terminal cannot misread: what has no mark of its own is spelled out.

Values come from letters, models and people. An escape sequence in one could clear the screen or rename the window, a
character that turns the direction of writing could show an amount backwards, a line break could forge a line of ours.
"""

import json
import re
import unicodedata
from typing import Final

__all__ = ["visible"]

_SUSPECT: Final = re.compile(r"[^ -~]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of control characters, formats (direction, zero width, tags), surrogates, and separators of lines."""


def visible(text: str, *, keep: str = "") -> str:
    r"""Return the text with every character that is not seen written as JSON has it: `\u001b`, `\u202e`, `\n`.

    Within JSON text this changes no value.

    Args:
        text: what to show.
        keep: characters to leave as they are.
    """
    if text.isprintable():
        return text
    return _SUSPECT.sub(lambda found: found[0] if found[0] in keep else _spelled(found[0]), text)


def _spelled(character: str) -> str:
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _UNSEEN else character
