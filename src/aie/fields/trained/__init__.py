"""Trained extractors: places where a value may stand, ranked by weights learnt from known values."""

from aie.fields.trained.model import TrainedExtractor
from aie.fields.trained.training import Example, TrainedFields, recipe_facts, train_extractor, value_in

__all__ = ["Example", "TrainedExtractor", "TrainedFields", "recipe_facts", "train_extractor", "value_in"]
