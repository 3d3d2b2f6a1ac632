"""What a run is about, told from its input: its case, its subject, and what it can be found by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aie.config import expression
from aie.core import JSON
from aie.errors import InputError, StepFailure
from aie.releases import Plan

__all__ = ["About", "tell_about"]

_LONGEST: Final = 1_000
"""Characters of a case, a subject or a search attribute: they are identities, and indexed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a run is about."""

    case: str
    """The business case."""
    subject: str
    """The person, for erasure; the case where the workflow declares none."""
    search: Mapping[str, str]
    """Attributes by name; one that is null is left out."""


def tell_about(plan: Plan, data: Mapping[str, JSON]) -> About:
    """Return what a run of this plan on this input is about.

    Raises:
        InputError: the input does not tell.
    """
    names: dict[str, JSON] = {"input": dict(data)}
    case = _identity("case", plan.case, names)
    subject = case if plan.subject is None else _identity("subject", plan.subject, names)
    found = {name: _told(f"search attribute {name}", text, names) for name, text in sorted(plan.search.items())}
    return About(case=case, subject=subject, search={name: text for name, text in found.items() if text is not None})


def _identity(what: str, text: str, names: Mapping[str, JSON]) -> str:
    told = _told(what, text, names)
    if not told:
        raise InputError(f"the {what} is empty: {text}", hints=("each case needs an identity of its own",))
    return told


def _told(what: str, text: str, names: Mapping[str, JSON]) -> str | None:
    try:
        value = expression(text).evaluate(dict(names))
    except StepFailure as error:
        raise InputError(f"the input does not tell the {what}: {error.message}", hints=(f"it is {text}",)) from error
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise InputError(f"the {what} is neither a text nor a number: {text}")
    told = str(value)
    if len(told) > _LONGEST:
        raise InputError(f"the {what} has {len(told)} characters, at most {_LONGEST} are allowed: {text}")
    if "\0" in told:
        raise InputError(f"the {what} holds a NUL character: {text}")
    return told
