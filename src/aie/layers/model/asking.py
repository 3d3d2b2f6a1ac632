"""A step that asks a chat model with a prompt."""

from collections.abc import Callable
from typing import Final, cast

from aie.config import ChatModel, ModelStep, ObjectType, Route, Site, Template, TextType, Type, read_schema
from aie.core import JSON
from aie.errors import Failure
from aie.layers.calling import CALL_FAILURES, Question, ask, route_component
from aie.layers.model.showing import check_seen, documents, parts_of, words_of
from aie.layers.port import Compiled, Component, Result, Task, Tools
from aie.models import Chat

__all__ = ["compile_asking", "run_asking"]

_FREE_TEXT: Final = ObjectType({"text": TextType()}, frozenset({"text"}))


def compile_asking(step: ModelStep, chosen: ChatModel | Route, site: Site) -> Compiled | None:
    """Compile a step whose model is a chat model, or a route to chat models."""
    types = {slot: site.expression(f"with.{slot}", text) for slot, text in step.with_.items()}
    shown = documents(types)
    known = {slot: type_ for slot, type_ in types.items() if type_ is not None and slot not in shown}
    seen = check_seen(shown, chosen.entries if isinstance(chosen, Route) else (chosen,), site)
    if step.prompt is None:
        site.problem("missing-key", "", "a chat model needs `prompt`", "add prompt: prompts/NAME.md")
        return None
    prompt = site.template("prompt", step.prompt, known) if None not in types.values() else None
    schema = site.schema("returns", step.returns) if step.returns is not None else None
    if not seen or prompt is None or (step.returns is not None and schema is None):
        return None
    components = [route_component(chosen), Component(kind="prompt", name=step.prompt, content=prompt)]
    output: Type = _FREE_TEXT
    if schema is not None and step.returns is not None:
        components.append(Component(kind="schema", name=step.returns, content=schema[0]))
        output = schema[1]
    return Compiled(
        conduct="external",
        inputs=dict(step.with_),
        config={
            "kind": "chat",
            "model": f"route:{chosen.name}",
            "prompt": f"prompt:{step.prompt}",
            "schema": None if step.returns is None else f"schema:{step.returns}",
            "parts": cast("JSON", shown),
        },
        components=tuple(components),
        output=output,
        failures=CALL_FAILURES | {Failure.EXPRESSION, *([Failure.UNSUPPORTED] if shown else [])},
    )


def run_asking(task: Task, tools: Tools, connect: Callable[[str], Chat]) -> Result:
    """Ask.

    Raises:
        StepFailure: no answer, or none that is as described.
    """
    template: Template = tools.cache(cast("str", task.config["prompt"]), Template)
    prompt = template.compose(words_of(task))
    question = Question(
        route=cast("str", task.config["model"]),
        user=prompt.text,
        schema=_schema(task, tools),
        parts=parts_of(task, tools),
    )
    answer = ask(question, tools, connect)
    return Result(data=answer.data, report={**answer.report(), "prompt": prompt.report()})


def _schema(task: Task, tools: Tools) -> dict[str, JSON] | None:
    name = task.config["schema"]
    return None if name is None else cast("dict[str, JSON]", tools.cache(cast("str", name), read_schema))
