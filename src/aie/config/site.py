"""Where a step is compiled: what it may see, and where its mistakes are reported."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, Self, TypeVar

from aie.config.catalog import ModelEntry, Route
from aie.config.expressions import Finding, check_expression
from aie.config.problems import Mark, Problems, did_you_mean, nearest
from aie.config.reading import read_spec
from aie.config.schemas import JSONSyntaxError, SchemaError, read_schema, type_of
from aie.config.settings import Desk, Receiver
from aie.config.source import Source, parse_yaml
from aie.config.spec import Spec
from aie.config.steps import StepSpec
from aie.config.templates import check_template, used_slots
from aie.config.types import Type
from aie.config.workflow import WorkflowSpec
from aie.config.workspace import Workspace
from aie.errors import ConfigError, Edit, Problem

__all__ = ["Site", "Written"]

From = Literal["workflow", "workspace"]

SpecT = TypeVar("SpecT", bound=Spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Generic[SpecT]):
    """A YAML file that a step names."""

    name: str
    """Path relative to the workspace."""
    spec: SpecT
    source: Source
    """The file as read, for the places of mistakes."""


@dataclass(slots=True, kw_only=True)
class Site:
    """One step of one workflow being compiled.

    Every `key` below is a dotted path within the step, e.g. `with.amount`; empty for the step itself. A method that
    returns None has reported why.
    """

    workspace: Workspace
    workflow: WorkflowSpec
    step: StepSpec | None
    """None for what belongs to the whole workflow: `case`, `result` …; keys then begin at the file's root."""
    scope: Mapping[str, Type]
    """What expressions may name: `input`, the steps before this one, and the item of a map."""
    problems: Problems
    path: tuple[str | int, ...] = ()
    """Where the step stands in the workflow file, e.g. `("steps", "fields")`."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Every file used so far, by path relative to the workspace: the release pins them."""
    programs: dict[str, str] = field(default_factory=dict)
    """What runs for each expression that was checked here, by its text: with other types in scope it is another."""
    within: Source | None = None
    """File that the step names and that keys are paths of; None for the workflow file itself."""

    @property
    def source(self) -> Source:
        """The file in which mistakes are reported."""
        return self.workflow.source if self.within is None else self.within

    @property
    def models(self) -> Mapping[str, ModelEntry]:
        """Models of the workspace by name."""
        return self.workspace.models.models

    @property
    def receivers(self) -> Mapping[str, Receiver]:
        """Receivers of the workspace by name."""
        return self.workspace.settings.receivers

    @property
    def is_labelled(self) -> bool:
        """Whether anything in a run can have data classes or be bound to regions."""
        rows = self.workspace.settings.lookups.values()
        return bool(self.workflow.labels) or any(each.classes or each.regions is not None for each in rows)

    @property
    def desks(self) -> Mapping[str, Desk]:
        """Desks of the workspace by name."""
        return self.workspace.settings.desks

    def problem(
        self, code: str, key: str, message: str, hint: str = "", edit: Edit | None = None, *, at_key: bool = False
    ) -> None:
        """Report a mistake at the value of a key of this step, or at the key itself."""
        path = self._path(key)
        mark = self.source.mark(path, at_key=at_key or not key)
        self._report(self.source.file, mark, code, path, message, hint, edit)

    def unknown(self, key: str, given: str, known: Collection[str], what: str, *, at_key: bool = False) -> None:
        """Report a name that does not exist, with the one that was probably meant.

        Args:
            key: where it stands.
            given: the name.
            known: the names that exist.
            what: what it names, e.g. `model`.
            at_key: the name is the key itself, not its value.
        """
        near = nearest(given, known)
        self.problem(
            f"unknown-{what}",
            key,
            f"no {what} is named `{given}`",
            did_you_mean(given, known, what),
            None if near is None else self.replacement(key, near, at_key=at_key),
            at_key=at_key,
        )

    def replacement(self, key: str, text: str, *, at_key: bool = False) -> Edit | None:
        """Return the edit that writes other text where the value of a key stands, or the key itself."""
        path = self._path(key)
        value, name, depth = self.source.find(path)
        node = name if at_key else value
        return self.source.replace(node, text) if depth == len(path) and node is not None else None

    def removal(self, key: str) -> Edit | None:
        """Return the edit that takes a key of the step out."""
        return self.source.remove(self._path(key))

    def model(self, key: str, name: str) -> ModelEntry | None:
        """Return a model of the workspace."""
        found = self.models.get(name)
        if found is None:
            self.unknown(key, name, self.models, "model")
        return found

    def chosen(self, key: str, name: str) -> ModelEntry | Route | None:
        """Return a model or a route of the workspace; a route whose candidates are unknown is reported elsewhere."""
        if name in self.workspace.models.routes:
            return self.workspace.models.route(name)
        if name not in self.models:
            # A workspace with mistakes may have one name for both; it is told where it stands.
            known, routes = [*self.models], [each for each in self.workspace.models.routes if each not in self.models]
            near = nearest(name, [*known, *routes])
            hint = did_you_mean(name, known, "model") if near not in routes else f"did you mean the route `{near}`?"
            if near is None and routes:
                hint += f"; {did_you_mean(name, routes, 'route')}"
            edit = None if near is None else self.replacement(key, near)
            self.problem("unknown-model", key, f"no model and no route is named `{name}`", hint, edit)
        return self.models.get(name)

    def receiver(self, key: str, name: str) -> Receiver | None:
        """Return a receiver of the workspace."""
        found = self.receivers.get(name)
        if found is None:
            self.unknown(key, name, self.receivers, "receiver")
        return found

    def desk(self, key: str, name: str) -> Desk | None:
        """Return a desk of the workspace."""
        found = self.desks.get(name)
        if found is None:
            self.unknown(key, name, self.desks, "desk")
        return found

    def expression(self, key: str, text: str, expects: Type | None = None) -> Type | None:
        """Return the type of an expression in this scope; what runs for it is then in `programs`."""
        condition = self.step.if_ if self.step is not None and key != "if" else None
        checked = check_expression(text, self.scope, expects, given=(condition,) if condition else ())
        for finding in checked.findings:
            self._found(key, text, finding)
        if checked.findings or checked.type is None:
            return None
        self.programs[text] = checked.program
        return checked.type

    def program(self, text: str) -> str:
        """Return what runs for an expression; its text where it was not understood, which is a problem already."""
        return self.programs.get(text, text)

    def file(self, key: str, path: str, *, base: From = "workflow") -> bytes | None:
        """Return the bytes of a file that the step uses; `path` is relative to the workflow's folder, or to `base`."""
        full = f"{self.workflow.folder}/{path}" if base == "workflow" else path
        found = self.workspace.read(full)
        if isinstance(found, str):
            known = self.workspace.neighbours(full)
            folder = path.rpartition("/")[0]
            names = [f"{folder}/{each}" if folder else each for each in known]
            near = nearest(path, names)
            self.problem(
                "missing-file",
                key,
                f"`{path}`: {found}",
                did_you_mean(path, names, "files"),
                self.replacement(key, near) if near else None,
            )
            return None
        name, content = found
        self.files[name] = content
        return content

    def written(self, key: str, path: str, kind: type[SpecT]) -> Written[SpecT] | None:
        """Return a YAML file that the step uses as what it must hold; its mistakes are reported where they stand."""
        content = self.file(key, path)
        if content is None:
            return None
        name = self._name(path)
        try:
            source = parse_yaml(content, name)
        except ConfigError as error:
            for each in error.problems:
                self.problems.add(each)
            return None
        problems = Problems()
        spec = read_spec(kind, source, problems)
        for each in problems:
            self.problems.add(each)
        return None if spec is None or len(problems) else Written(name=name, spec=spec, source=source)

    def inside(self, source: Source) -> Self:
        """Return the site whose keys are paths of a file that the step names."""
        return replace(self, within=source, path=())

    def schema(self, key: str, path: str) -> tuple[bytes, Type] | None:
        """Return a JSON Schema file and the type it describes."""
        content = self.file(key, path)
        if content is None:
            return None
        try:
            return content, type_of(read_schema(content))
        except SchemaError as error:
            file = self._name(path)
            mark, edit = _schema_place(content, file, error)
            self._report(file, mark, "bad-schema", error.pointer, error.message, error.hint, edit)
            return None

    def template(
        self,
        key: str,
        path: str,
        slots: Mapping[str, Type],
        *,
        given_by: str = "with",
        read_by_others: Collection[str] = (),
    ) -> bytes | None:
        """Return a prompt template that uses its slots and nothing else.

        Args:
            key: where the step names it.
            path: of its file.
            slots: types of what the step gives it.
            given_by: the key under which the step names them; empty where no step does.
            read_by_others: slots that somebody else reads, so that the template need not use them.
        """
        content = self.file(key, path)
        if content is None:
            return None
        file = self._name(path)
        findings = check_template(content, slots)
        lines = content.decode("utf-8", "replace").split("\n")
        for each in findings:
            edit = None
            if each.replacement is not None:
                line = lines[each.line - 1]
                changed = line[: each.col - 1] + each.replacement + line[each.end_col - 1 :]
                edit = Edit(file=file, line=each.line, end_line=each.line, lines=(changed,))
            self._report(file, Mark(each.line, each.col), each.code, (), each.message, each.hint, edit)
        if findings:
            return None
        unused = [slot for slot in slots if slot not in {*used_slots(content), *read_by_others}]
        for slot in unused:
            hint = f"write `{{{{ {slot} }}}}` where it belongs; `{{{slot}}}` is plain text"
            where = f"{given_by}.{slot}" if given_by else key
            self.problem("unused-slot", where, f"{path} does not use `{slot}`", hint)
        return None if unused else content

    def _name(self, path: str) -> str:
        found = self.workspace.read(f"{self.workflow.folder}/{path}")
        return path if isinstance(found, str) else found[0]

    def _path(self, key: str) -> tuple[str | int, ...]:
        parts = (int(part) if part.isdigit() else part for part in key.split(".") if key)
        return (*self.path, *parts)

    def _found(self, key: str, text: str, finding: Finding) -> None:
        source, path = self.source, self._path(key)
        node = source.find(path)[0]
        mark, edit = Mark(node.line, node.col), None
        line = source.lines()[node.line - 1] if node.kind == "scalar" else ""
        start = line.find(text, node.col - 1) if text else -1
        if start >= 0:
            # The text stands in its line as it is: the place within it is exact.
            mark = Mark(node.line, start + finding.start + 1)
            if finding.replacement is not None:
                changed = line[: start + finding.start] + finding.replacement + line[start + finding.end :]
                edit = Edit(file=source.file, line=node.line, end_line=node.line, lines=(changed,))
        self._report(source.file, mark, finding.code, path, finding.message, finding.hint, edit)

    def _report(
        self, file: str, mark: Mark, code: str, path: Sequence[str | int], message: str, hint: str, edit: Edit | None
    ) -> None:
        key = ".".join(str(each) for each in path)
        self.problems.add(
            Problem(code=code, file=file, line=mark.line, col=mark.col, key=key, message=message, hint=hint, edit=edit)
        )


def _schema_place(content: bytes, file: str, error: SchemaError) -> tuple[Mark, Edit | None]:
    text = content.decode("utf-8", "replace")
    if isinstance(error, JSONSyntaxError):
        line = text.count("\n", 0, error.at)
        start = text.rfind("\n", 0, error.at) + 1
        mark = Mark(line + 1, error.at - start + 1)
        if not error.insert:
            return mark, None
        whole = text.split("\n")[line]
        changed = whole[: mark.col - 1] + error.insert + whole[mark.col - 1 :]
        return mark, Edit(file=file, line=mark.line, end_line=mark.line, lines=(changed,))
    try:
        # JSON is read again as YAML, only for the places.
        source = parse_yaml(content, file)
    except ConfigError as place:
        return Mark(place.problems[0].line, place.problems[0].col), None
    node = source.find(error.pointer)[0]
    return source.mark(error.pointer), source.replace(node, error.meant) if error.meant is not None else None
