"""Extras of the package, in the words of hints."""

__all__ = ["install_line"]


def install_line(extra: str) -> str:
    """Return how an extra is installed: the package is on no index yet."""
    return f"pip install '.[{extra}]' in a checkout of the engine"
