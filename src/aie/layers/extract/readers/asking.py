"""Questions about one document: a line of JSON before its bytes."""

import json
from typing import Any


def question(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what is asked and the document."""
    head, _, document = content.partition(b"\n")
    asked: dict[str, Any] = json.loads(head)
    return asked, document
