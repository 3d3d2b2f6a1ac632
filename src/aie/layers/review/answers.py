"""What a person answered, held against what may be answered."""

from itertools import islice
from typing import cast

from aie.config import mismatches
from aie.core import JSON, canonical
from aie.errors import InputError

__all__ = ["answered"]

_TOLD_AT_MOST = 20


def answered(shown: JSON, decision: str, values: JSON) -> dict[str, JSON]:
    """Return the decided fields: those shown, with the given ones in their place.

    `shown` is what the reviewer saw; its `answer` is the JSON Schema of the decided fields. A task that was escalated
    has no fields to begin from: the answer must be whole.

    Raises:
        InputError: naming every field that is missing, unknown or of the wrong type; never the values.
    """
    task = shown if isinstance(shown, dict) else {}
    fields = cast("dict[str, dict[str, JSON]]", task.get("fields") or {})
    before: dict[str, JSON] = {name: each.get("value") for name, each in fields.items()}
    if decision == "approve" and fields and values not in (None, {}, before):
        raise InputError("an approval changes no field", hints=("decide `correct` to change fields",))
    if values is not None and not isinstance(values, dict):
        raise InputError("the answer is an object of fields", hints=('write {"field": value}',))
    decided = before | (values or {})
    canonical(decided)
    found = list(islice(mismatches(task.get("answer"), decided), _TOLD_AT_MOST))
    if found:
        places = [each.path.removeprefix("/").replace("/", ".") or "the answer" for each in found]
        raise InputError(
            "; ".join(f"{place}: {each.why}" for place, each in zip(places, found, strict=True)),
            hints=(f"the fields are {', '.join(before)}" if before else "give every field of the answer",),
            places=places,
        )
    return decided
