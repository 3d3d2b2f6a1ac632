"""Named things that every floor shares: canonical JSON and digests, ids, time, money, limits, labels, values, files."""

from aie.core.clock import Clock, SystemClock, iso
from aie.core.digest import JSON, MAX_INT, canonical, digest_bytes, digest_json, keyed_digest
from aie.core.extras import install_line
from aie.core.files import open_file, read_file, written_whole
from aie.core.ids import Ids, RandomIds
from aie.core.json_text import read_json
from aie.core.labels import UNTRUSTED, Integrity, Labels, LabelsJSON, join
from aie.core.limits import Limits, Spend
from aie.core.money import MOST_SPEND, Money, micro_usd, usd
from aie.core.sites import observe, reached
from aie.core.values import Cite, Document, Value
from aie.core.visible import visible

__all__ = [
    "JSON",
    "MAX_INT",
    "MOST_SPEND",
    "UNTRUSTED",
    "Cite",
    "Clock",
    "Document",
    "Ids",
    "Integrity",
    "Labels",
    "LabelsJSON",
    "Limits",
    "Money",
    "RandomIds",
    "Spend",
    "SystemClock",
    "Value",
    "canonical",
    "digest_bytes",
    "digest_json",
    "install_line",
    "iso",
    "join",
    "keyed_digest",
    "micro_usd",
    "observe",
    "open_file",
    "reached",
    "read_file",
    "read_json",
    "usd",
    "visible",
    "written_whole",
]
