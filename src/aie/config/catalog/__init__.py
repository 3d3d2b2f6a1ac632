"""`models.yaml`: every model and route that workflows may name; what of it is pinned by a release, what stays live."""

from aie.config.catalog.chat import ChatModel, Feature, Modality, Parameters, Price, Rates
from aie.config.catalog.classifier import ChosenThreshold, Recipe, TextClassifier
from aie.config.catalog.entry import Approval, Entry, Quality, Retirement
from aie.config.catalog.forms import day_start
from aie.config.catalog.models import Misplaced, ModelEntry, ModelsSpec, Route
from aie.config.catalog.routes import Cascade, Cheapest, Constraints, Fallback, RouteSpec, Weighted

__all__ = [
    "Approval",
    "Cascade",
    "ChatModel",
    "Cheapest",
    "ChosenThreshold",
    "Constraints",
    "Entry",
    "Fallback",
    "Feature",
    "Misplaced",
    "Modality",
    "ModelEntry",
    "ModelsSpec",
    "Parameters",
    "Price",
    "Quality",
    "Rates",
    "Recipe",
    "Retirement",
    "Route",
    "RouteSpec",
    "TextClassifier",
    "Weighted",
    "day_start",
]
