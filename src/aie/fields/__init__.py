"""Fields of documents: one contract for whatever finds them, be it rules, a trained extractor or a prompt.

An extractor proposes candidates, each a verbatim stretch of the source; `assemble` normalises them, chooses, and makes
the one form that steps downstream read. Swapping the extractor changes nothing after it.
"""

from aie.fields.contract import Candidate, FieldSpec, FieldType, Source, assemble, cites_of, fields_type, merge
from aie.fields.extractor import Extractor
from aie.fields.normalise import normalise

__all__ = [
    "Candidate",
    "Extractor",
    "FieldSpec",
    "FieldType",
    "Source",
    "assemble",
    "cites_of",
    "fields_type",
    "merge",
    "normalise",
]
