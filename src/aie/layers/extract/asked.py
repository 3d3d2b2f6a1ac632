"""An extractor that is a prompt: the question of a fields step, and what comes of the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from aie.config import ChatModel, ExtractorSpec, Route, Site, Template, TextType
from aie.core import JSON, Value, digest_bytes
from aie.errors import Failure
from aie.fields import Candidate, Source
from aie.fields.prompt import TEMPLATE, answer_schema, describe, locate
from aie.layers.calling import CALL_FAILURES, Question, ask, route_component
from aie.layers.port import Component, Task, Tools
from aie.models import Chat

__all__ = ["ASKED_FAILURES", "ask_for_fields", "asked_components", "asked_facts"]

ASKED_FAILURES: Final = CALL_FAILURES | {Failure.EXPRESSION}
"""What finding by prompt may fail with."""

_SLOTS: Final = {"fields": TextType(), "document": TextType()}
_REPORTED: Final = 20
"""Quotes that stand nowhere, in a report."""


def asked_components(spec: ExtractorSpec, step: str, site: Site) -> dict[str, Component] | None:
    """Return what a prompt pins, by its key in the step's configuration; None when something is amiss.

    Args:
        spec: The extractor file.
        step: Its path, as the step names it.
        site: Reports in the extractor file.
    """
    prompt = spec.by.prompt
    if prompt is None:
        return {}
    model = site.chosen("by.prompt.model", prompt.model)
    if model is not None and not isinstance(model, ChatModel | Route):
        site.problem("bad-model", "by.prompt.model", f"`{prompt.model}` is not a chat model", "name a chat model")
        model = None
    name, content = f"{step}#default", cast("bytes | None", TEMPLATE)
    if prompt.template is not None:
        name = prompt.template
        # Which fields are asked for may stand in words of its own; a document that is not shown is a mistake.
        content = site.template("by.prompt.template", name, _SLOTS, given_by="", read_by_others=["fields"])
    if model is None or content is None:
        return None
    return {"model": route_component(model), "prompt": Component(kind="prompt", name=name, content=content)}


def asked_facts(spec: ExtractorSpec, contents: Mapping[str, bytes]) -> dict[str, JSON]:
    """Return what a model's answers depend on beside the document, as a calibration keeps it.

    Args:
        spec: The extractor file.
        contents: What its prompt pins, by the keys of `asked_components`.
    """
    facts: dict[str, JSON] = {key: digest_bytes(content) for key, content in contents.items()}
    return {**facts, "fields": digest_bytes(describe(spec.finds).encode())}


def ask_for_fields(
    spec: ExtractorSpec, source: Source, task: Task, tools: Tools, connect: Callable[[str], Chat]
) -> tuple[Sequence[Candidate], dict[str, JSON]]:
    """Return what the model quoted and where it stands, and what to report of it.

    Raises:
        StepFailure: no answer, or none that is as described.
    """
    template: Template = tools.cache(cast("str", task.config["prompt"]), Template)
    given = task.inputs["from"]
    prompt = template.compose(
        {
            "fields": Value(data=describe(spec.finds), ref=""),
            "document": Value(data=source.text, ref=given.ref, labels=given.labels),
        }
    )
    question = Question(route=cast("str", task.config["model"]), user=prompt.text, schema=answer_schema(spec.finds))
    answer = ask(question, tools, connect)
    located = locate(spec.finds, answer.data, source)
    unfounded: list[JSON] = [{"field": field, "quote": quote} for field, quote in located.unfounded[:_REPORTED]]
    return located.candidates, {**answer.report(), "prompt": prompt.report(), "not_in_text": unfounded}
