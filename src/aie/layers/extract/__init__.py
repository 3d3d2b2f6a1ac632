"""Reading files: plain text here, every other format in a closed process, with the place of every character."""

from aie.layers.extract.asked import asked_components, asked_facts
from aie.layers.extract.layer import ExtractLayer
from aie.layers.extract.media import media_type
from aie.layers.extract.places import Box, Places, boxes
from aie.layers.extract.recognition import Recogniser
from aie.layers.extract.sandbox import SHARED, Bounds, Sandbox

__all__ = [
    "SHARED",
    "Bounds",
    "Box",
    "ExtractLayer",
    "Places",
    "Recogniser",
    "Sandbox",
    "asked_components",
    "asked_facts",
    "boxes",
    "media_type",
]
