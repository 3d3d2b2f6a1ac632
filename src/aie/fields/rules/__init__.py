"""Rules that find fields: what an extractor file's `by.rules` says, carried out."""

from aie.fields.rules.extractor import RuleExtractor
from aie.fields.rules.safety import why_unsafe

__all__ = ["RuleExtractor", "why_unsafe"]
