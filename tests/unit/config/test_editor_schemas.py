"""JSON Schemas for editors."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from aie.config import json_schemas, parse_yaml

WORKSPACE = Path(__file__).parents[2] / "shows" / "workspace"


@pytest.mark.parametrize("file", ["aie.yaml", "models.yaml", "workflow.yaml", "datasets.yaml"])
def test_what_the_product_accepts_an_editor_accepts(file: str) -> None:
    """The generated schema agrees with real files, and is a schema."""
    schema = json_schemas()[file]
    Draft202012Validator.check_schema(schema)
    found = sorted(WORKSPACE.rglob(file))
    assert found
    for path in found:
        data = parse_yaml(path.read_bytes(), file).root.data()
        assert [error.message for error in Draft202012Validator(schema).iter_errors(data)] == []


def test_an_unknown_key_is_marked_in_the_editor_too() -> None:
    """And each key has its sentence."""
    schema = json_schemas()["aie.yaml"]
    assert list(Draft202012Validator(schema).iter_errors({"storee": "x"}))
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert all(isinstance(each, dict) and each.get("description") for each in properties.values())
