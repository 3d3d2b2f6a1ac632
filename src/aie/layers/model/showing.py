"""Images and PDFs that a step shows to a chat model as they are, beside what its prompt says."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from aie.config import ChatModel, DocumentType, ModelEntry, Site, Type
from aie.core import JSON, Value
from aie.errors import Failure, StepFailure
from aie.layers.port import Task, Tools
from aie.models import Part

__all__ = ["check_seen", "documents", "parts_of", "words_of"]

_SEEN: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
"""Media types that chat models take."""


def documents(types: Mapping[str, Type | None]) -> list[str]:
    """Return the inputs that are documents: no slots of the prompt, but shown."""
    return sorted(slot for slot, type_ in types.items() if isinstance(type_, DocumentType))


def check_seen(shown: Iterable[str], entries: Iterable[ModelEntry], site: Site) -> bool:
    """Report documents that nobody could see; True when somebody can."""
    able = any(isinstance(each, ChatModel) and {"image", "pdf"} & set(each.modalities) for each in entries)
    wrong = [] if able else list(shown)
    for slot in wrong:
        site.problem(
            "unseen-document",
            f"with.{slot}",
            "a document, and no model here can be shown one",
            "add `modalities: [text, image]` to a model that can, or `extract` its text first",
        )
    return not wrong


def words_of(task: Task) -> dict[str, Value]:
    """Return the inputs that the prompt speaks of."""
    shown = cast("list[str]", task.config["parts"])
    return {slot: value for slot, value in task.inputs.items() if slot not in shown}


def parts_of(task: Task, tools: Tools) -> tuple[Part, ...]:
    """Return the documents that are shown.

    Raises:
        StepFailure: UNSUPPORTED: a file that is neither an image nor a PDF.
    """
    slots = cast("list[str]", task.config["parts"])
    return tuple(_part(slot, task.inputs[slot].data, tools) for slot in slots)


def _part(slot: str, data: JSON, tools: Tools) -> Part:
    document = cast("dict[str, Any]", data)
    media = document["media_type"]
    if media not in _SEEN:
        raise StepFailure(Failure.UNSUPPORTED, f"`{slot}` is of type {media}: a model is shown images and PDFs only")
    return Part(media_type=media, content=tools.files.read(document["ref"]))
