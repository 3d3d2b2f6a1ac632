"""Every layer by name: adding one means adding a package here and a class to the steps of `config`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aie.layers.act import ActLayer
from aie.layers.agent import AgentLayer
from aie.layers.check import CheckLayer
from aie.layers.context import ContextLayer
from aie.layers.extract import ExtractLayer
from aie.layers.lookup import LookupLayer
from aie.layers.model import ModelLayer
from aie.layers.port import Layer, LayerName
from aie.layers.review import ReviewLayer

__all__ = ["DELIVERERS", "LAYERS", "runtime"]

_ACT: Final = ActLayer()
_LOOKUP: Final = LookupLayer()
_MODEL: Final = ModelLayer()

LAYERS: Final[Mapping[LayerName, Layer]] = MappingProxyType(
    {
        "act": _ACT,
        "agent": AgentLayer({"lookup": _LOOKUP, "model": _MODEL}),
        "check": CheckLayer(),
        "context": ContextLayer(),
        "extract": ExtractLayer(),
        "lookup": _LOOKUP,
        "model": _MODEL,
        "review": ReviewLayer(),
    }
)
"""Layers by name."""

DELIVERERS: Final = MappingProxyType({"act": _ACT})
"""The layers that touch the world, by name."""


def runtime() -> dict[str, int]:
    """Return the version of every layer this package provides."""
    return {name: layer.version for name, layer in sorted(LAYERS.items())}
