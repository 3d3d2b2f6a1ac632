"""`models.yaml`: every model and route that workflows may name; what of it is pinned by a release, what stays live."""

from aie.config.catalog.chat import ChatModel, Feature, Modality, Parameters, Price, Rates
from aie.config.catalog.classifier import ChosenThreshold, LearntHere, Recipe, TextClassifier
from aie.config.catalog.entry import Approval, Entry, Quality, Retirement
from aie.config.catalog.forms import day_start
from aie.config.catalog.models import Misplaced, ModelEntry, ModelsSpec, Route
from aie.config.catalog.onnx import OnnxClassifier
from aie.config.catalog.routes import Cascade, Cheapest, Constraints, Fallback, RouteSpec, Weighted
from aie.config.catalog.tabular import Boosting, FeatureSpec, TabularClassifier

__all__ = [
    "Approval",
    "Boosting",
    "Cascade",
    "ChatModel",
    "Cheapest",
    "ChosenThreshold",
    "Constraints",
    "Entry",
    "Fallback",
    "Feature",
    "FeatureSpec",
    "LearntHere",
    "Misplaced",
    "Modality",
    "ModelEntry",
    "ModelsSpec",
    "OnnxClassifier",
    "Parameters",
    "Price",
    "Quality",
    "Rates",
    "Recipe",
    "Retirement",
    "Route",
    "RouteSpec",
    "TabularClassifier",
    "TextClassifier",
    "Weighted",
    "day_start",
]
