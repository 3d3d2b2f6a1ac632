"""Tables as text: a row is a line, cells stand between tabs."""

from collections.abc import Iterable


def line(cells: Iterable[str]) -> str:
    """Return a row's line; line ends and tabs inside a cell become spaces, empty cells at the end are dropped."""
    return "\t".join(" ".join(cell.split()) for cell in cells).rstrip("\t")
