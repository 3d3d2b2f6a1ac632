"""The kinds of step: what each compiles to and how it runs. Layers are peers that share the port and nothing else."""

from aie.layers.act import receiver_facts
from aie.layers.clearance import objection
from aie.layers.extract import Box, Places, asked_components, asked_facts, boxes, media_type
from aie.layers.lookup import lookup_facts
from aie.layers.port import (
    Attempt,
    Attempts,
    Compiled,
    Component,
    Conduct,
    Deliverer,
    Delivery,
    EffectRequest,
    Files,
    Keys,
    Layer,
    LayerName,
    NoOtherRuns,
    Outcome,
    PastCall,
    Result,
    ReviewRequest,
    Semantics,
    Task,
    Tools,
)
from aie.layers.registry import DELIVERERS, LAYERS, runtime
from aie.layers.review import answered
from aie.layers.sites import call_sites

__all__ = [
    "DELIVERERS",
    "LAYERS",
    "Attempt",
    "Attempts",
    "Box",
    "Compiled",
    "Component",
    "Conduct",
    "Deliverer",
    "Delivery",
    "EffectRequest",
    "Files",
    "Keys",
    "Layer",
    "LayerName",
    "NoOtherRuns",
    "Outcome",
    "PastCall",
    "Places",
    "Result",
    "ReviewRequest",
    "Semantics",
    "Task",
    "Tools",
    "answered",
    "asked_components",
    "asked_facts",
    "boxes",
    "call_sites",
    "lookup_facts",
    "media_type",
    "objection",
    "receiver_facts",
    "runtime",
]
