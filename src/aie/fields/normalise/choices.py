"""Choices: one of a closed list of values, each with the other ways to write it."""

from collections.abc import Iterator, Mapping, Sequence

from aie.fields.normalise.folding import fold

__all__ = ["forms", "read_choice"]


def read_choice(text: str, choices: Mapping[str, Sequence[str]]) -> str | None:
    """Return the choice that is written so, whatever its case and diacritics; None when it is none of them."""
    key = _key(text)
    return next((value for form, value in forms(choices) if _key(form) == key), None)


def forms(choices: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield each way to write a choice with the choice, values before aliases: a value always stands for itself."""
    yield from ((value, value) for value in sorted(choices))
    yield from ((alias, value) for value in sorted(choices) for alias in choices[value])


def _key(text: str) -> str:
    return " ".join(fold(text).split()).strip("\"'.,;:()")
