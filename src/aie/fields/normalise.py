"""From a verbatim quote to a value: what a field's type makes of the words on the page.

The same function is used to choose candidates and to check what was chosen; its behaviour is part of the runtime, so
changing what it returns raises the version of the layers that use it.
"""

from aie.config import FieldSpec
from aie.core import JSON

__all__ = ["normalise"]


def normalise(spec: FieldSpec, quote: str) -> JSON:
    """Return the value that a quote stands for, or None when it stands for none of this field's type."""
    text = " ".join(quote.split())
    return (text or None) if spec.type in ("text", "name") else None
