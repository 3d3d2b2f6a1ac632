"""From a workspace to releases: every mistake collected, then either a lock or all of the mistakes."""

from pathlib import Path
from typing import Final

from aie.config import (
    AnyType,
    DateType,
    IntType,
    ListType,
    NullableType,
    ObjectType,
    Problems,
    Site,
    TextType,
    Type,
    WorkflowSpec,
    Workspace,
    did_you_mean,
    fits,
    nearest,
    parse_yaml,
    scan_workspace,
)
from aie.errors import Conflict, Edit, NotFound, Problem
from aie.releases.catalog import catalog_problems
from aie.releases.guarding import policy_of
from aie.releases.plan import Plan
from aie.releases.policy import POLICY, Policy
from aie.releases.release import Release, is_portable_path, seal
from aie.releases.steps import Parts, StepCompiler

__all__ = ["check", "compile_release"]

_INPUT: Final = "schema:input"
_OUTPUT: Final = "schema:output"


def check(root: Path, *, now: int | None = None) -> tuple[Problem, ...]:
    """Return every mistake of a workspace: of its files, and of all its workflows compiled; empty when it is sound.

    Args:
        root: the workspace's folder.
        now: microseconds since the epoch, for what the catalog permits by its calendar; None leaves that out.
    """
    problems = Problems()
    workspace = scan_workspace(root, problems)
    if workspace is not None:
        components: dict[str, bytes] = {}
        for spec in workspace.workflows.values():
            components |= _compile(workspace, spec, problems)[0].components
        for each in catalog_problems(workspace, components, now) if now is not None else ():
            problems.add(each)
    return tuple(problems)


def compile_release(workspace: Workspace, workflow: str) -> Release:
    """Return the release that the workspace's files make of a workflow.

    Raises:
        NotFound: no workflow has this name.
        ConfigError: with every mistake of the workflow.
    """
    spec = workspace.workflows.get(workflow)
    if spec is None:
        hint = did_you_mean(workflow, workspace.workflows, "workflows")
        raise NotFound(f"no workflow is named {workflow!r}", hints=(hint,))
    problems = Problems()
    parts, plan = _compile(workspace, spec, problems)
    problems.raise_if_any()
    return seal(plan, components=parts.components, files=parts.files, runtime=parts.runtime)


def _compile(workspace: Workspace, spec: WorkflowSpec, problems: Problems) -> tuple[Parts, Plan]:
    parts, told = Parts(workspace=workspace, workflow=spec, problems=problems), len(problems)
    parts.files[spec.source.file] = _own_bytes(workspace, spec)
    takes = _schema(parts, "input", spec.input, _INPUT)
    gives = _schema(parts, "output", spec.output, _OUTPUT)
    scope: dict[str, Type] = {"input": takes}
    first = parts.site(None, scope)
    _check_case(first, spec)
    compiler = StepCompiler(parts=parts, steps=spec.steps, around=scope, path=("steps",))
    nodes, types = compiler.compile()
    last = parts.site(None, {**scope, **types})
    _check_result(last, spec, gives)
    plan = Plan(
        workflow=spec.workflow,
        case=first.program(spec.case),
        subject=None if spec.subject is None else first.program(spec.subject),
        search={name: first.program(text) for name, text in spec.search.items()},
        risk=spec.risk,
        limits=spec.limits.limits(),
        result={name: last.program(text) for name, text in spec.result.items()},
        input_schema=_INPUT,
        output_schema=_OUTPUT,
        nodes=nodes,
    )
    _check_bounded(parts.site(None, {}), plan)
    _check_paths(parts)
    if len(problems) == told:  # what reaches what is known only of steps that are sound
        policy = policy_of(parts, plan, takes)
        if policy != Policy():
            parts.components[POLICY] = policy.content()
    return parts, plan


def _own_bytes(workspace: Workspace, spec: WorkflowSpec) -> bytes:
    """Return the exact bytes of the workflow file; its parsed text has lost its byte order mark and carriage returns.

    Raises:
        Conflict: the file is not the one that was parsed.
    """
    found = workspace.read(spec.source.file)
    content = b"" if isinstance(found, str) else found[1]
    if parse_yaml(content, spec.source.file).text != spec.source.text:
        raise Conflict(f"{spec.source.file} changed while it was being read", hints=("run the command again",))
    return content


def _schema(parts: Parts, key: str, path: str, component: str) -> Type:
    found = parts.site(None, {}).schema(key, path)
    if found is None:
        return AnyType()
    content, type_ = found
    parts.components[component] = content
    return type_


def _check_case(site: Site, spec: WorkflowSpec) -> None:
    """Refuse identities that are not plain values, or may be missing."""
    identities = [("case", spec.case)] + ([] if spec.subject is None else [("subject", spec.subject)])
    for key, text in identities:
        given = site.expression(key, text)
        if given is not None and not isinstance(given, TextType | IntType | DateType | AnyType):
            site.problem("bad-type", key, f"text or an integer expected, this is {given}", "name a required field")
    for name, text in spec.search.items():
        given = site.expression(f"search.{name}", text)
        plain = given.of if isinstance(given, NullableType) else given
        if isinstance(plain, ObjectType | ListType):
            site.problem("bad-type", f"search.{name}", f"a plain value expected, this is {given}", "name one field")


def _check_result(site: Site, spec: WorkflowSpec, output: Type) -> None:
    """Refuse a result that is not what the output schema promises, field by field."""
    wanted = output.fields if isinstance(output, ObjectType) else {}
    closed = isinstance(output, ObjectType) and not output.open
    for name, text in spec.result.items():
        given = site.expression(f"result.{name}", text)
        if name in wanted:
            why = None if given is None else fits(given, wanted[name])
            if why is not None:
                site.problem("bad-type", f"result.{name}", f"{why}, as `{spec.output}` says", "change one of the two")
        elif closed:
            near = nearest(name, set(wanted) - set(spec.result))
            site.problem(
                "unknown-field",
                f"result.{name}",
                f"`{spec.output}` has no field `{name}`",
                did_you_mean(name, wanted, "fields"),
                _renamed(site, name, near),
            )
    if isinstance(output, ObjectType):
        for name in sorted(output.required - spec.result.keys()):
            site.problem(
                "missing-field", "result", f"`{name}` is missing, which `{spec.output}` requires", f"add `{name}: …`"
            )


def _renamed(site: Site, name: str, near: str | None) -> Edit | None:
    key = site.workflow.source.find(("result", name))[1]
    return None if near is None or key is None else site.workflow.source.replace(key, near)


def _check_bounded(site: Site, plan: Plan) -> None:
    """Refuse a workflow that calls outside models with nothing to bound how often or at what cost."""
    limits = plan.limits
    external = [node for node in plan.walk() if node.conduct == "external"]
    if external and limits.cost is None and limits.tokens is None and limits.model_calls is None:
        names = ", ".join(f"`{node.name}`" for node in external)
        site.problem(
            "unbounded",
            "limits",
            f"{names}: calls that cost, and the workflow sets no limit of cost, tokens or model_calls",
            f"add `limits: {{model_calls: {4 * len(external)}}}`",
            _add_limit(site, 4 * len(external)),
        )


def _add_limit(site: Site, calls: int) -> Edit | None:
    """Return the edit that adds a limit, where the file has none at all."""
    source = site.workflow.source
    key = source.root.keys["steps"]
    if "limits" in source.root.items:
        return None
    line = source.lines()[key.line - 1]
    lines = (f"limits: {{model_calls: {calls}}}", line)
    return Edit(file=source.file, line=key.line, end_line=key.line, lines=lines)


def _check_paths(parts: Parts) -> None:
    """Refuse files whose names would not travel: a release is opened on other systems than it is made on."""
    for path in parts.files:
        if not is_portable_path(path):
            parts.problems.add(
                Problem(
                    code="unportable-name",
                    file=path,
                    line=1,
                    col=1,
                    key="",
                    message="a file with this name cannot exist on every system",
                    hint='no `<>:"|?*\\`, no control characters, no dot or space at the end of a name',
                )
            )
