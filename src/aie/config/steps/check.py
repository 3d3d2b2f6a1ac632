"""Steps that check values."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from aie.config.fields import FieldType
from aie.config.scalars import CELText, DecimalText, Path
from aie.config.spec import StepName
from aie.config.steps.base import Step

__all__ = ["CheckKind", "CheckStep"]

CheckKind = Literal["schema", "rules", "grounding", "agreement", "arithmetic", "duplicates"]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


_Values = Annotated[
    tuple[CELText, ...],
    BeforeValidator(_listed),
    Field(strict=False, max_length=20),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "boolean", "integer"]},
                {"type": "array", "items": {"type": ["string", "boolean", "integer"]}},
            ],
            "description": "A CEL expression, or several",
        }
    ),
]


class CheckStep(Step):
    """Says whether values are as they must be, and why not."""

    check: CheckKind
    """schema: of a JSON Schema. rules: conditions. grounding: quotes stand in the source and give their values.
    agreement: several sources say the same. arithmetic: sums and the order of dates. duplicates: no other run has the
    same key."""
    of: _Values = ()
    """The value to check; for `check: agreement` the sources to compare."""
    then: Literal["fail", "tell"] = "fail"
    """What a broken check is: the failure `check_failed`, which a handler answers; or a value like any other, with
    `passed: false`, for the steps after it to read."""
    schema_: Path | None = Field(default=None, alias="schema")
    """JSON Schema; for `check: schema`."""
    rules: dict[StepName, CELText] = Field(default_factory=dict)
    """Conditions that must all be true, by name; for `check: rules`."""
    against: CELText | None = None
    """The text that quotes must stand in, e.g. `document`; for `check: grounding`."""
    by: Path | None = None
    """Extractor file that says what each field's quote must give; for `check: grounding`. None: that of the step which
    found the fields; without any, only that the quotes stand in the text is checked."""
    as_: FieldType | None = Field(default=None, alias="as")
    """How texts are normalised before they are compared, e.g. `name`; for `check: agreement`."""
    need: Literal["all", "majority"] = "all"
    """How many of the sources must agree; for `check: agreement`."""
    sums: dict[StepName, CELText] = Field(default_factory=dict)
    """For each field of `of` the expression over its other fields that it must equal, e.g. `total: net + tax`; for
    `check: arithmetic`."""
    ordered: dict[StepName, Annotated[tuple[StepName, ...], Field(strict=False, min_length=2)]] = Field(
        default_factory=dict
    )
    """Fields of `of` that must not come one after the other backwards, e.g. `dates: [issued, due]`; for
    `check: arithmetic`."""
    tolerance: DecimalText = "0"
    """Difference that still counts as equal, in units of the values; for `check: arithmetic` and `agreement`."""
    missing: Literal["fail", "skip"] = "fail"
    """What a value that is not there is: broken, or left out of the check; for `check: arithmetic` and `agreement`."""
    key: dict[StepName, CELText] = Field(default_factory=dict)
    """Values that no other run of the workflow may have together; for `check: duplicates`."""
    repair: dict[StepName, dict[StepName, CELText]] = Field(default_factory=dict)
    """For each rule the corrected values that mend it, by field, e.g. `total: {total: net + tax}`; for `check: rules`
    and `arithmetic`."""

    def expressions(self) -> Iterator[tuple[str, str]]:
        yield from super().expressions()
        for position, text in enumerate(self.of):
            yield (f"of.{position}" if len(self.of) > 1 else "of"), text
        for rule, text in self.rules.items():
            yield f"rules.{rule}", text
        if self.against is not None:
            yield "against", self.against
        for name, text in self.key.items():
            yield f"key.{name}", text
        if self.check == "rules":  # those of arithmetic read the fields of `of` alone
            for rule, fields in self.repair.items():
                for name, text in fields.items():
                    yield f"repair.{rule}.{name}", text
