"""How readers refuse: an exception inside, a plain answer outside."""

from collections.abc import Callable

MOST_CHARACTERS = 20_000_000
"""Characters of one document's text."""


class Refused(Exception):
    """The document is not read; `failure` is a class of the taxonomy."""

    def __init__(self, failure: str, why: str) -> None:
        super().__init__(why)
        self.failure = failure
        self.why = why


def answered(read: Callable[[bytes], dict[str, object]]) -> Callable[[bytes], dict[str, object]]:
    """Return the reader with its refusals as answers, and with the bound on its text."""

    def reader(content: bytes) -> dict[str, object]:
        try:
            found = read(content)
            if length(found) > MOST_CHARACTERS:
                raise Refused("too_large", f"the document holds more than {MOST_CHARACTERS} characters")
        except Refused as refusal:
            return {"failure": refusal.failure, "why": refusal.why}
        except RecursionError:
            return {"failure": "bomb", "why": "the document is nested too deeply"}
        return found

    return reader


def length(found: dict[str, object]) -> int:
    """Return the number of characters that a reader found."""
    pages = found.get("pages")
    return sum(map(len, pages)) if isinstance(pages, list) else len(str(found.get("text", "")))
