"""A workspace: the folder of files that a team keeps, read and checked as a whole."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from aie.config.catalog import LearntHere, ModelsSpec
from aie.config.datasets import DatasetsFile
from aie.config.handlers import Handler
from aie.config.problems import Problems, did_you_mean, nearest
from aie.config.reading import read_spec
from aie.config.settings import Settings
from aie.config.source import Source, parse_yaml
from aie.config.spec import Spec
from aie.config.steps import MapStep, StepSpec
from aie.config.workflow import WorkflowSpec
from aie.core import read_file
from aie.errors import ConfigError, InputError, Problem

__all__ = ["Workspace", "load_models", "load_settings", "load_workspace", "scan_workspace"]

MAX_FILE: Final = 256_000_000

SpecT = TypeVar("SpecT", bound=Spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What a workspace's files say, each on its own; what they say together is checked where a release is compiled."""

    root: Path
    settings: Settings
    models: ModelsSpec
    workflows: Mapping[str, WorkflowSpec]
    """Workflows by name."""
    sources: Mapping[str, Source]
    """YAML files as read, by path relative to the workspace."""

    def read(self, path: str) -> tuple[str, bytes] | str:
        """Return the plain relative path and the bytes of a file of the workspace, or the reason why not, in words."""
        try:
            base = self.root.resolve()
            full = (base / path).resolve()
            if not full.is_relative_to(base) or path.startswith("/"):
                return "outside the workspace"
            if not full.is_file():
                return "no such file" if not full.exists() else "not a file"
            return full.relative_to(base).as_posix(), read_file(full, at_most=MAX_FILE)
        except InputError:
            return f"larger than {MAX_FILE} bytes"
        except (OSError, ValueError, RuntimeError) as error:  # a circle of links is a RuntimeError
            return error.strerror.lower() if isinstance(error, OSError) and error.strerror else "not a path"

    def neighbours(self, path: str) -> list[str]:
        """Return the names of the files in a path's folder."""
        try:
            folder = (self.root / path).parent.resolve()
            if not folder.is_relative_to(self.root.resolve()):
                return []
            return sorted(each.name for each in folder.iterdir() if each.is_file())
        except (OSError, ValueError, RuntimeError):
            return []


def load_workspace(root: Path) -> Workspace:
    """Read a workspace.

    Raises:
        ConfigError: with every mistake of every file.
    """
    problems = Problems()
    workspace = scan_workspace(root, problems)
    problems.raise_if_any()
    assert workspace is not None, "without a problem there is a workspace"
    return workspace


def load_settings(root: Path) -> Settings:
    """Read `aie.yaml` alone: what a process needs to reach the store.

    Raises:
        ConfigError: with every mistake of the file.
    """
    if not (root / "aie.yaml").is_file():
        load_workspace(root)
    return _load_one(Settings, root, "aie.yaml")


def load_models(root: Path) -> ModelsSpec:
    """Read `models.yaml` alone; without one there are no models.

    Raises:
        ConfigError: with every mistake of the file.
    """
    return _load_one(ModelsSpec, root, "models.yaml") if (root / "models.yaml").exists() else ModelsSpec()


def _load_one(kind: type[SpecT], root: Path, file: str) -> SpecT:
    problems = Problems()
    spec = _load(kind, root, file, {}, problems)
    problems.raise_if_any()
    assert spec is not None, "without a problem there is a spec"
    return spec


def scan_workspace(root: Path, problems: Problems) -> Workspace | None:
    """Read what can be read and report the rest, so that the checks above can go on with the good part.

    Returns:
        The workspace with every workflow that is well formed; None when `aie.yaml` or `models.yaml` is not.
    """
    if not (root / "aie.yaml").is_file():
        problems.add(
            Problem(
                code="no-workspace",
                file="aie.yaml",
                line=1,
                col=1,
                key="",
                message="this folder is not a workspace",
                hint="run `aie init NAME`, or say `--workspace FOLDER`",
            )
        )
        return None
    sources: dict[str, Source] = {}
    settings = _load(Settings, root, "aie.yaml", sources, problems)
    models = (
        _load(ModelsSpec, root, "models.yaml", sources, problems) if (root / "models.yaml").exists() else ModelsSpec()
    )
    workflows: dict[str, WorkflowSpec] = {}
    unread: set[str] = set()
    for path in sorted(root.glob("workflows/*/workflow.yaml")):
        folder = path.parent.relative_to(root).as_posix()
        spec = _load_workflow(root, folder, sources, problems)
        if spec is None:
            unread.add(folder.rpartition("/")[2])
        else:
            workflows[spec.workflow] = spec
    if settings is not None:
        for spec in workflows.values():
            _check_handlers(spec, settings, problems)
    if settings is None or models is None:
        return None
    workspace = Workspace(root=root, settings=settings, models=models, workflows=workflows, sources=sources)
    _check_training(workspace, unread, problems)
    _check_catalog(workspace, problems)
    _check_budgets(workspace, unread, problems)
    return workspace


def _load(kind: type[SpecT], root: Path, file: str, sources: dict[str, Source], problems: Problems) -> SpecT | None:
    source = _parse(root, file, problems)
    if source is None:
        return None
    sources[file] = source
    return read_spec(kind, source, problems)


def _parse(root: Path, file: str, problems: Problems) -> Source | None:
    try:
        return parse_yaml(read_file(root / file, at_most=MAX_FILE), file)
    except InputError:
        message = f"larger than {MAX_FILE} bytes"
        problems.add(Problem(code="unreadable", file=file, line=1, col=1, key="", message=message, hint="divide it"))
    except ConfigError as error:
        for each in error.problems:
            problems.add(each)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        problems.add(
            Problem(code="unreadable", file=file, line=1, col=1, key="", message=reason, hint="look at its rights")
        )
    return None


def _load_workflow(root: Path, folder: str, sources: dict[str, Source], problems: Problems) -> WorkflowSpec | None:
    file = f"{folder}/workflow.yaml"
    source = _parse(root, file, problems)
    if source is None:
        return None
    sources[file] = source
    spec = read_spec(WorkflowSpec, source, problems)
    datasets = f"{folder}/datasets.yaml"
    extra = None
    if (root / datasets).exists():
        extra = _load(DatasetsFile, root, datasets, sources, problems)
    if spec is None:
        return None
    if extra is not None:
        spec = spec.model_copy(update={"datasets": {**spec.datasets, **extra.datasets}})
    spec._source = source
    spec._folder = folder
    expected = folder.rpartition("/")[2]
    if spec.workflow != expected:
        message = f"`{expected}` expected, as the folder is named, not `{spec.workflow}`"
        _report(problems, source, ("workflow",), "workflow-name", message, f"write `{expected}`", expected)
    return spec


def _report(
    problems: Problems, source: Source, path: Sequence[str | int], code: str, message: str, hint: str, meant: str | None
) -> None:
    """Report the value at a path; `meant` is what should stand there."""
    node = source.find(path)[0]
    edit = source.replace(node, meant) if meant is not None else None
    problems.add(
        Problem(
            code=code,
            file=source.file,
            line=node.line,
            col=node.col,
            key=".".join(map(str, path)),
            message=message,
            hint=hint,
            edit=edit,
        )
    )


def _check_handlers(spec: WorkflowSpec, settings: Settings, problems: Problems) -> None:
    def check(handlers: Mapping[str, Handler], path: tuple[str | int, ...]) -> None:
        for failure, handler in handlers.items():
            if handler.desk and handler.desk not in settings.desks:
                node = spec.source.find((*path, "on", failure))[0]
                near = nearest(handler.desk, settings.desks)
                meant = node.text.replace(handler.desk, near) if near else None
                hint = did_you_mean(handler.desk, settings.desks, "desk")
                message = f"no desk is named `{handler.desk}`"
                _report(problems, spec.source, (*path, "on", failure), "unknown-desk", message, hint, meant)

    def walk(steps: Mapping[str, StepSpec], path: tuple[str | int, ...]) -> None:
        for name, step in steps.items():
            check(step.on, (*path, name))
            if isinstance(step, MapStep):
                walk(step.map.steps, (*path, name, "map", "steps"))

    check(spec.on, ())
    walk(spec.steps, ("steps",))


def _check_catalog(workspace: Workspace, problems: Problems) -> None:
    known = list(workspace.models.models)
    for path, message, given, mend in workspace.models.mistakes():
        hint = did_you_mean(given, known, "model") if given else mend or "mend one of the two"
        code = "unknown-model" if given else "bad-route" if path[0] == "routes" else "bad-value"
        near = nearest(given, known) if given else None
        _report(problems, workspace.sources["models.yaml"], path, code, message, hint, near)


def _check_budgets(workspace: Workspace, unread: AbstractSet[str], problems: Problems) -> None:
    """Refuse a cap that no workflow has; a workspace without workflows runs releases that came from elsewhere."""
    known = {*workspace.workflows, *unread}
    source = workspace.sources["aie.yaml"]
    for name in workspace.settings.budgets.workflows if known else ():
        if name not in known:
            near = nearest(name, known)
            path = ("budgets", "workflows", name)
            key, mark = source.find(path)[1], source.mark(path, at_key=True)
            problems.add(
                Problem(
                    code="unknown-workflow",
                    file=source.file,
                    line=mark.line,
                    col=mark.col,
                    key=".".join(path),
                    message=f"no workflow is named `{name}`",
                    hint=did_you_mean(name, sorted(known), "workflows"),
                    edit=None if near is None or key is None else source.replace(key, near),
                )
            )


def _check_training(workspace: Workspace, unread: AbstractSet[str], problems: Problems) -> None:
    known = {f"{name}/{each}" for name, spec in workspace.workflows.items() for each in spec.datasets}
    short = [each.partition("/")[2] for each in known]
    for name, entry in workspace.models.models.items():
        if not isinstance(entry, LearntHere) or entry.train in known or short.count(entry.train) == 1:
            continue
        owner = entry.train.partition("/")[0] if "/" in entry.train else ""
        if owner in unread or (unread and not owner):
            continue  # the dataset may be in a workflow that could not be read, which is told already
        source, path = workspace.sources["models.yaml"], ("models", name, "train")
        if short.count(entry.train) > 1:
            message, near = f"several workflows have a dataset `{entry.train}`", None
        else:
            message, near = f"no dataset is named `{entry.train}`", nearest(entry.train, {*known, *short})
        _report(problems, source, path, "unknown-dataset", message, did_you_mean(entry.train, known, "dataset"), near)
