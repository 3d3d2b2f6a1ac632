"""JSON Schemas of the files that people write, for editors; generated from the types, never written by hand."""

from aie.config.catalog import ModelsSpec
from aie.config.datasets import DatasetsFile
from aie.config.extractors import ExtractorSpec
from aie.config.recipes import RecipeSpec
from aie.config.settings import Settings
from aie.config.spec import Spec
from aie.config.workflow import WorkflowSpec
from aie.core import JSON

__all__ = ["json_schemas"]

_FILES: dict[str, type[Spec]] = {
    "aie.yaml": Settings,
    "datasets.yaml": DatasetsFile,
    "extractor.yaml": ExtractorSpec,
    "models.yaml": ModelsSpec,
    "recipe.yaml": RecipeSpec,
    "workflow.yaml": WorkflowSpec,
}


def json_schemas() -> dict[str, dict[str, JSON]]:
    """Return the JSON Schema of each kind of file by the file's name."""
    found: dict[str, dict[str, JSON]] = {}
    for name, kind in _FILES.items():
        schema = kind.model_json_schema(by_alias=True)
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": name}
    return found
