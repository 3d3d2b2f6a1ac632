"""From an `agent` step to what a release pins: the task, the tools with their policy, the bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from aie.config import (
    AgentStep,
    AnyType,
    ArgumentSpec,
    BoolType,
    ChatModel,
    DocumentType,
    IntType,
    ListType,
    LookupStep,
    ModelStep,
    ObjectType,
    Route,
    Site,
    TextType,
    ToolSpec,
    Type,
    nullable,
)
from aie.core import JSON
from aie.errors import Failure
from aie.fields.rules.safety import why_unsafe
from aie.layers.agent.asking import RESERVED, told
from aie.layers.calling import CALL_FAILURES, route_component
from aie.layers.port import Compiled, Component, Layer

__all__ = ["compile_agent"]

_ARGS: Final = "args"
_LIMITS: Final = ("calls", "cost", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    pinned: dict[str, JSON]
    components: tuple[Component, ...] = ()


def compile_agent(step: AgentStep, site: Site, layers: Mapping[str, Layer]) -> Compiled | None:
    """Compile a step; tools are compiled by the layers that know them, as steps over `args`."""
    chosen = _chosen(step, site)
    types = {slot: site.expression(f"with.{slot}", text) for slot, text in step.with_.items()}
    sound = _slots_sound(types, site) and None not in types.values()
    tools = {name: _tool(name, each, types, site, layers) for name, each in step.tools.items()}
    prompt = _prompt(step, types, site) if sound else None
    schema = site.schema("returns", step.returns)
    if schema is not None and not isinstance(schema[1], ObjectType):
        site.problem("bad-type", "returns", "the answer must be an object", "describe one with properties")
        sound = False
    made = {name: each for name, each in tools.items() if each is not None}
    if not sound or chosen is None or prompt is None or schema is None or len(made) < len(tools):
        return None
    components = [
        route_component(chosen),
        Component(kind="prompt", name=step.prompt, content=prompt),
        Component(kind="schema", name=step.returns, content=schema[0]),
        *{(each.kind, each.name): each for tool in made.values() for each in tool.components}.values(),
    ]
    return Compiled(
        conduct="external",
        inputs=dict(step.with_),
        config={
            "model": f"route:{chosen.name}",
            "prompt": f"prompt:{step.prompt}",
            "schema": f"schema:{step.returns}",
            "tools": {name: tool.pinned for name, tool in made.items()},
            "told": told(step),
            "limits": {"calls": step.limits.calls, "cost": step.limits.cost, "time": step.limits.time},
        },
        components=tuple(components),
        output=_output(schema[1]),
        failures=CALL_FAILURES | {Failure.EXPRESSION},
    )


def _prompt(step: AgentStep, types: Mapping[str, Type | None], site: Site) -> bytes | None:
    arguments = (policy for tool in step.tools.values() for policy in tool.takes.values())
    taken = {slot for each in arguments for slot in each.from_ or ()}
    known = {slot: each for slot, each in types.items() if each is not None}
    return site.template("prompt", step.prompt, known, read_by_others=taken)


def _chosen(step: AgentStep, site: Site) -> ChatModel | Route | None:
    chosen = site.chosen("agent", step.agent)
    entries = chosen.entries if isinstance(chosen, Route) else (chosen,)
    if chosen is not None and not all(isinstance(each, ChatModel) for each in entries):
        site.problem("bad-type", "agent", f"`{step.agent}` is no chat model", "name a chat model, or a route to some")
        return None
    return cast("ChatModel | Route | None", chosen)


def _slots_sound(types: Mapping[str, Type | None], site: Site) -> bool:
    sound = True
    for slot, given in types.items():
        if slot in RESERVED:
            site.problem("name-taken", f"with.{slot}", f"`{slot}` is a slot of every agent step", "choose another name")
            sound = False
        if isinstance(given, DocumentType):
            site.problem("bad-type", f"with.{slot}", "a document", "`extract` its text first")
            sound = False
    return sound


def _tool(
    name: str, spec: ToolSpec, slots: Mapping[str, Type | None], site: Site, layers: Mapping[str, Layer]
) -> _Tool | None:
    key = f"tools.{name}"
    arguments = {each: _argument(f"{key}.takes.{each}", policy, slots, site) for each, policy in spec.takes.items()}
    known = {each: type_ for each, type_ in arguments.items() if type_ is not None}
    if len(known) < len(arguments):
        return None
    shared: dict[str, JSON] = {"kind": spec.kind, "takes": {each: _policy(of) for each, of in spec.takes.items()}}
    inner = replace(
        site,
        step=None,
        scope={_ARGS: ObjectType(known, frozenset(known))},
        path=(*site.path, "tools", name),
        programs={},
    )
    if spec.compute is not None:
        if inner.expression("compute", spec.compute) is None:
            return None
        return _Tool(pinned=shared | {"program": inner.programs[spec.compute]})
    if spec.model is not None and not _runs_here(f"{key}.model", spec.model, site):
        return None
    given = {each: f"{_ARGS}.{each}" for each in spec.takes}
    written = (
        LookupStep.model_validate({"lookup": spec.lookup, "by": given})
        if spec.lookup is not None
        else ModelStep.model_validate({"model": spec.model, "with": given})
    )
    compiled = layers[spec.kind].compile(written, inner)
    if compiled is None:
        return None
    inputs: dict[str, JSON] = {slot: text.removeprefix(f"{_ARGS}.") for slot, text in compiled.inputs.items()}
    return _Tool(pinned=shared | {"config": dict(compiled.config), "inputs": inputs}, components=compiled.components)


def _runs_here(key: str, name: str, site: Site) -> bool:
    """Tell whether a model may be a tool: what it says of a model that does not exist is all there is to say."""
    chosen = site.chosen(key, name)
    entries = chosen.entries if isinstance(chosen, Route) else (chosen,)
    if any(isinstance(each, ChatModel) for each in entries):
        site.problem("bad-type", key, f"`{name}` is no classifier", "a tool is a classifier that runs here")
        return False
    return chosen is not None


def _argument(key: str, spec: ArgumentSpec, slots: Mapping[str, Type | None], site: Site) -> Type | None:
    """Return the type of an argument under its policy."""
    if spec.pattern is not None:
        why = why_unsafe(spec.pattern)
        if why is not None:
            site.problem("unsafe-pattern", f"{key}.pattern", why)
            return None
    found: list[Type] = []
    for slot in spec.from_ or ():
        if slot not in slots:
            site.unknown(f"{key}.from", slot, slots, "input")
            return None
        given = slots[slot]
        plain = given.of if isinstance(given, ListType) else given
        if not isinstance(plain, TextType | IntType | BoolType | AnyType):
            why = f"`{slot}` is {given}, an argument is a text, an integer or a truth value"
            site.problem("bad-type", f"{key}.from", why, "name an input that is one, or a list of them")
            return None
        found.append(plain)
    if len(found) == 1:
        return found[0]
    return AnyType() if found else TextType(() if spec.enum is None else spec.enum)


def _policy(spec: ArgumentSpec) -> dict[str, JSON]:
    whole: dict[str, Any] = {"from": spec.from_, "enum": spec.enum, "pattern": spec.pattern}
    return {name: list(each) if isinstance(each, tuple) else each for name, each in whole.items()}


def _output(answer: Type) -> ObjectType:
    fields: dict[str, Type] = {
        "complete": BoolType(),
        "stopped": nullable(TextType(_LIMITS)),
        "answer": nullable(answer),
        "calls": IntType(),
    }
    return ObjectType(fields, frozenset(fields))
