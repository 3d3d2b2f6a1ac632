"""Reading files: plain text here, PDFs in a closed process, both with the place of every character."""

from aie.layers.extract.layer import ExtractLayer
from aie.layers.extract.media import media_type
from aie.layers.extract.sandbox import Bounds, Sandbox

__all__ = ["Bounds", "ExtractLayer", "Sandbox", "media_type"]
