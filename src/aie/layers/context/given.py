"""What a context step is given: checked the same for every kind of it."""

from typing import Final

from aie.config import AnyType, ContextStep, ObjectType, Site, TextType, Type, fits

__all__ = ["given_sources", "refuse_unused"]

_WANTED: Final = ObjectType({"text": TextType()}, frozenset({"text"}), open=True)


def given_sources(step: ContextStep, site: Site, *, several: bool = True) -> dict[str, str] | None:
    """Return the expression of each source by the name of its input, in order; None when one is not a text."""
    if len(step.from_) > 1 and not several:
        site.problem("bad-type", "from", f"one source expected, these are {len(step.from_)}", "name one of them")
        return None
    inputs: dict[str, str] = {}
    sound = True
    for position, text in enumerate(step.from_):
        key = "from" if len(step.from_) == 1 else f"from.{position}"
        given = site.expression(key, text)
        why = None if given is None else _unreadable(given)
        if why is not None:
            site.problem("bad-type", key, why, "name an extract step, or a text")
        sound &= given is not None and why is None
        inputs["from" if len(step.from_) == 1 else f"from{position:02}"] = text
    if len(set(step.from_)) < len(step.from_):
        site.problem("bad-type", "from", "a source stands twice", "name each source once")
        return None
    return inputs if sound else None


def refuse_unused(step: ContextStep, site: Site, keys: tuple[str, ...]) -> bool:
    """Report keys that this kind of context step does not have; whether there are any."""
    unused = [key for key in keys if getattr(step, key) is not None]
    for key in unused:
        site.problem("unused-key", key, f"`{step.context}` has no `{key}`", edit=site.removal(key))
    return bool(unused)


def _unreadable(given: Type) -> str | None:
    return None if isinstance(given, TextType | AnyType) else fits(given, _WANTED)
