"""Rules that find fields: what an extractor file's `by.rules` says, carried out."""

from aie.fields.rules.extractor import RuleExtractor

__all__ = ["RuleExtractor"]
