"""What every written thing has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Spec", "StepName"]

StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A name that expressions can use."""


class Spec(BaseModel):
    """A frozen value read from a file; unknown keys are refused and nothing is converted on the quiet."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        arbitrary_types_allowed=True,
    )
