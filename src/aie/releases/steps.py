"""From the steps of a workflow file to nodes of a plan: edges, order, types, handlers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from aie.config import (
    ActStep,
    AgentStep,
    AnyType,
    BoolType,
    CheckStep,
    ContextStep,
    ExtractStep,
    IntType,
    ListType,
    LookupStep,
    MapStep,
    ModelStep,
    ObjectType,
    Problems,
    ReviewStep,
    Site,
    StepSpec,
    TextType,
    Type,
    WorkflowSpec,
    Workspace,
    mismatches,
    nullable,
    references,
    schema_of,
)
from aie.errors import Failure
from aie.layers import LAYERS, Compiled, LayerName
from aie.releases.handling import add_handlers, entry_of, resolve_handlers, unhandled
from aie.releases.order import order
from aie.releases.plan import MAP, MapPlan, Node

__all__ = ["Parts", "StepCompiler"]

_MAP_FAILURES: Final = frozenset({Failure.TOO_LARGE})
"""What a map itself can fail with: more items than it allows."""
_KEYED_FAILURES: Final = _MAP_FAILURES | {Failure.INVALID_INPUT}
"""What a map with a `key:` can fail with: keys besides that name nothing, or two items at once."""

_KEY: Final = "key"
"""Name of the item's key in a map's value, beside the values of its steps."""

_OPTIONAL: Final = frozenset({"if", "unless"})
"""Keys of a step that can be taken out and leave a step."""


@dataclass(slots=True, kw_only=True)
class Parts:
    """What has been gathered for a release while its workflow is compiled."""

    workspace: Workspace
    workflow: WorkflowSpec
    problems: Problems
    files: dict[str, bytes] = field(default_factory=dict)
    """Every file used, by path in the workspace."""
    components: dict[str, bytes] = field(default_factory=dict)
    """Content by `<kind>:<name>`."""
    runtime: dict[str, int] = field(default_factory=dict)
    """Version of each layer used."""

    def site(self, step: StepSpec | None, scope: Mapping[str, Type], path: tuple[str | int, ...] = ()) -> Site:
        """Return where a step, or what belongs to the whole workflow, is compiled."""
        return Site(
            workspace=self.workspace,
            workflow=self.workflow,
            step=step,
            scope=scope,
            problems=self.problems,
            path=path,
            files=self.files,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCompiler:
    """Compiles the steps of one level: of the workflow, or of a map's body."""

    parts: Parts
    steps: Mapping[str, StepSpec]
    around: Mapping[str, Type]
    """Names visible from outside: `input`; inside a map also the item and the steps before the map."""
    path: tuple[str | int, ...]
    """Where the steps stand in the file."""
    outer: frozenset[str] = frozenset()
    """Names among `around` that are steps; empty at the top."""

    def compile(self) -> tuple[tuple[Node, ...], dict[str, Type]]:
        """Return the nodes in topological order, and the type of each step's value in the order of the file.

        A step with a mistake has no node and any type, so that one mistake is told once and the rest is still checked.
        """
        edges = {name: _edges(step) for name, step in self.steps.items()}
        self._refuse_taken_names()
        types: dict[str, Type] = {}
        nodes: list[Node] = []
        for name in self._in_order(edges):
            unknown = {root: AnyType() for root in edges[name] if self._is_own(root)}
            node, types[name] = self._step(self.steps[name], {**self.around, **unknown, **types}, edges[name])
            if node is not None:
                nodes.append(node)
        return tuple(nodes), {name: types[name] for name in self.steps}

    def _in_order(self, edges: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
        """Return the steps sorted; of each cycle the doubtful reference is refused and then overlooked."""
        needs = {name: [root for root in roots if self._is_own(root)] for name, roots in edges.items()}
        while (ordered := order(needs)).cycles:
            for cycle in ordered.cycles:
                here, there = cycle[0], (*cycle, cycle[0])[1]
                needs[here].remove(there)
                self._refuse_cycle(cycle, edges[here][there])
        return ordered.names

    def _is_own(self, name: str) -> bool:
        """True for a step of this level; one that takes a name from around is refused, and does not hide it."""
        return name in self.steps and name not in self.around

    def _step(self, step: StepSpec, scope: Mapping[str, Type], edges: Mapping[str, str]) -> tuple[Node | None, Type]:
        site = self.parts.site(step, scope, (*self.path, step.name))
        condition: str | None = None
        if step.if_ is not None:
            site.expression("if", step.if_, BoolType())
            # At once: everything after it is read knowing that it holds, and the same text may run as something else.
            condition = site.program(step.if_)
        body: MapPlan | None = None
        compiled: Compiled | None
        if isinstance(step, MapStep):
            kind: str = MAP
            compiled, body = self._map(step, site)
        else:
            layer = kind = _layer_of(step)
            compiled = LAYERS[layer].compile(step, site)
            self.parts.runtime[layer] = LAYERS[layer].version
        if compiled is None:
            return None, AnyType()
        self._add_components(compiled, site)
        self._refuse_unhandled(compiled.failures, step, site)
        node = Node(
            name=step.name,
            layer=kind,
            conduct=compiled.conduct,
            needs=tuple(sorted(root for root in edges if self._is_own(root) or root in self.outer)),
            condition=condition,
            inputs={name: site.program(text) for name, text in compiled.inputs.items()},
            config=compiled.config,
            output=schema_of(compiled.output),
            map=body,
            handlers=resolve_handlers(compiled.failures, step.on, self.parts.workflow.on),
        )
        may_be_null = self._check_defaults(compiled, step, site) or step.if_ is not None
        return node, nullable(compiled.output) if may_be_null else compiled.output

    def _map(self, step: MapStep, site: Site) -> tuple[Compiled | None, MapPlan | None]:
        if self.outer:
            site.problem(
                "nested-map", "map", "a map inside a map", "make the inner list in a step before the outer map"
            )
            return None, None
        spec = step.map
        around = {**site.scope, spec.as_: _item_type(site, step)}
        if spec.as_ in site.scope or spec.as_ in self.steps:
            site.problem("name-taken", "map.as", f"`{spec.as_}` names something else already", "choose another name")
        item = self.parts.site(step, around, site.path)
        if spec.key is not None:
            _check_key(item, spec.key)
        outer = frozenset({*self.steps, *self.outer})
        body = StepCompiler(
            parts=self.parts, steps=spec.steps, around=around, path=(*site.path, "map", "steps"), outer=outer
        )
        nodes, types = body.compile()
        types = {_KEY: TextType(), **types}
        compiled = Compiled(
            conduct="pure",
            inputs={},
            config={},
            components=(),
            output=ListType(ObjectType(types, frozenset(types))),
            failures=_MAP_FAILURES if spec.key is None else _KEYED_FAILURES,
        )
        plan = MapPlan(
            over=site.program(spec.over),
            as_=spec.as_,
            key=None if spec.key is None else item.program(spec.key),
            at_most=spec.at_most,
            nodes=nodes,
        )
        return compiled, plan

    def _add_components(self, compiled: Compiled, site: Site) -> None:
        for component in compiled.components:
            key = f"{component.kind}:{component.name}"
            if self.parts.components.setdefault(key, component.content) != component.content:
                site.problem(
                    "component-clash", "", f"another step uses another {component.kind} named `{component.name}`"
                )

    def _refuse_taken_names(self) -> None:
        for name, step in self.steps.items():
            if name in self.around or (self.outer and name == _KEY):
                site = self.parts.site(step, {}, (*self.path, name))
                site.problem("name-taken", "", f"`{name}` names something else already", "choose another name")

    def _refuse_cycle(self, cycle: tuple[str, ...], key: str) -> None:
        around = " → ".join((*cycle, cycle[0]))
        site = self.parts.site(self.steps[cycle[0]], {}, (*self.path, cycle[0]))
        what = "it reads its own value" if len(cycle) == 1 else f"these steps wait for one another: {around}"
        hint = f"take `{(*cycle, cycle[0])[1]}` out of this expression"
        edit = site.removal(key) if key in _OPTIONAL else None
        site.problem("cycle", key, what, f"{hint}, or remove `{key}`" if edit else hint, edit)

    def _check_defaults(self, compiled: Compiled, step: StepSpec, site: Site) -> bool:
        """Refuse a handler's `default` that is not what the step promises; true when null may stand for its value."""
        null = False
        for failure in sorted(compiled.failures):
            found = entry_of(failure, step.on, self.parts.workflow.on)
            if found is None or found.spec.action != "default":
                continue
            null |= found.spec.value is None
            wrong = None if null else next(mismatches(schema_of(compiled.output), found.spec.value), None)
            if wrong is not None:
                where = site if found.own else self.parts.site(None, {})
                hint = "write a value of that form, or `null`"
                where.problem("bad-default", f"on.{found.key}", f"not what `{step.name}` yields: {wrong}", hint)
        return null

    def _refuse_unhandled(self, failures: frozenset[Failure], step: StepSpec, site: Site) -> None:
        workflow = self.parts.workflow
        missing = unhandled(failures, step.on, workflow.on)
        if missing:
            named = ", ".join(f"`{failure}`" for failure in missing)
            entries = ", ".join(f"{failure}: fail" for failure in missing)
            site.problem(
                "unhandled-failure",
                "",
                f"it may fail with {named}, and nothing says what happens then",
                f'add `on: {{{entries}}}` to the step or the workflow, or an entry `"*"` for all classes',
                add_handlers(workflow.source, missing),
            )


def _edges(step: StepSpec) -> dict[str, str]:
    """Return the names that a step reads from outside itself, each with the key of the first expression that does."""
    found: dict[str, str] = {}
    for key, text in step.expressions():
        own: set[str] = set()
        if isinstance(step, MapStep) and key.startswith("map.") and key != "map.over":
            own.add(step.map.as_)
            if key != "map.key":
                own |= step.map.steps.keys()
        for root in references(text):
            if root not in own:
                found.setdefault(root, key)
    return found


def _layer_of(
    step: ExtractStep | ContextStep | LookupStep | ModelStep | AgentStep | CheckStep | ReviewStep | ActStep,
) -> LayerName:
    match step:
        case ExtractStep():
            return "extract"
        case ContextStep():
            return "context"
        case LookupStep():
            return "lookup"
        case ModelStep():
            return "model"
        case AgentStep():
            return "agent"
        case CheckStep():
            return "check"
        case ReviewStep():
            return "review"
        case ActStep():
            return "act"
        case _:
            assert_never(step)


def _item_type(site: Site, step: MapStep) -> Type:
    given = site.expression("map.over", step.map.over)
    if isinstance(given, ListType):
        return given.of
    if given is not None and not isinstance(given, AnyType):
        site.problem("bad-type", "map.over", f"list expected, this is {given}", "name the field that holds the list")
    return AnyType()


def _check_key(site: Site, text: str) -> None:
    given = site.expression("map.key", text)
    if given is not None and not isinstance(given, TextType | IntType | AnyType):
        site.problem(
            "bad-type", "map.key", f"text or an integer expected, this is {given}", "name a field like `item.id`"
        )
