"""What every written thing has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aie.config.documented import documented

__all__ = ["Spec", "StepName"]

StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A name that expressions can use."""


class Spec(BaseModel):
    """A frozen value read from a file; unknown keys are refused and nothing is converted on the quiet."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        arbitrary_types_allowed=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe each key with the docstring under its field."""
        made = handler(schema)
        keys = handler.resolve_ref_schema(made)["properties"]
        for name, said in documented(cls).items():
            keys[cls.model_fields[name].alias or name]["description"] = said
        return made
