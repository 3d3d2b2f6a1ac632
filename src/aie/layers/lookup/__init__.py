"""Asking systems of record: tables, endpoints and databases of the catalog, read only, typed and recorded."""

from aie.layers.lookup.compiling import lookup_facts
from aie.layers.lookup.layer import LookupLayer

__all__ = ["LookupLayer", "lookup_facts"]
