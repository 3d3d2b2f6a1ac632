"""Train and calibrate the extractors that workflows name; a release never trains."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from aie.app.opening import open_app
from aie.app.reading_cases import CaseReader, expected_fields, known_fields
from aie.app.recorded_fields import recorded_answers
from aie.config import (
    DOCUMENTS,
    MERGED,
    ExtractorSpec,
    ExtractStep,
    LearnsSpec,
    MapStep,
    Problems,
    Site,
    StepSpec,
    WorkflowSpec,
    Workspace,
    did_you_mean,
    load_workspace,
    read_dataset,
)
from aie.core import JSON, written_whole
from aie.errors import InputError, NotFound
from aie.fields import Extractor
from aie.fields.calibration import Calibration, calibration_facts
from aie.fields.reliability import FieldReliability, calibrate, found_values
from aie.fields.rules import RuleExtractor
from aie.fields.trained import Example, TrainedExtractor, TrainedFields, train_extractor
from aie.models import artefact_digest, write_artefact

__all__ = ["Taught", "teach", "teachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What came of teaching one extractor."""

    name: str
    """`WORKFLOW/EXTRACTOR`."""
    files: tuple[Path, ...]
    """What was written."""
    trained: TrainedFields | None
    """None for an extractor that is only calibrated."""
    reliability: Mapping[str, FieldReliability]
    """By field; empty for an extractor that is not calibrated."""

    def to_json(self, root: Path) -> dict[str, JSON]:
        """Return the report."""
        return {
            "extractor": self.name,
            "files": [str(path.relative_to(root)) for path in self.files],
            "trained": None if self.trained is None else self.trained.to_json(),
            "reliability": {name: each.to_json() for name, each in self.reliability.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """An extractor file as a step names it."""

    workflow: WorkflowSpec
    step: ExtractStep
    spec: ExtractorSpec


def _extractors(workspace: Workspace) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    problems = Problems()
    for workflow in workspace.workflows.values():
        for path, step in _naming(workflow.steps, ("steps",)):
            site = Site(workspace=workspace, workflow=workflow, step=step, scope={}, problems=problems, path=path)
            written = site.written("extract", step.extract, ExtractorSpec)
            if written is not None and _learns(written.spec):
                name = f"{workflow.workflow}/{Path(step.extract).stem}"
                found.setdefault(name, _Named(workflow=workflow, step=step, spec=written.spec))
    problems.raise_if_any()
    return found


def _learns(spec: ExtractorSpec) -> bool:
    return spec.learns is not None and (spec.by.prompt is None or spec.calibration is not None)


def teachable(root: Path) -> tuple[str, ...]:
    """Return the names of the extractors that can be taught, each `WORKFLOW/EXTRACTOR`.

    Raises:
        ConfigError: the workspace's files have mistakes.
    """
    return tuple(sorted(_extractors(load_workspace(root))))


def teach(root: Path, name: str) -> Taught:
    """Train and calibrate one extractor as its file says, and write what was learnt.

    Raises:
        ConfigError: the workspace's files have mistakes.
        NotFound: no such extractor, or none that is taught.
        InputError: its dataset or the recorded runs cannot teach it, or an artefact cannot be written.
        Unavailable: the extra `train` is not installed.
    """
    workspace = load_workspace(root)
    extractors = _extractors(workspace)
    if name not in extractors:
        hint = did_you_mean(name, extractors, "extractors")
        raise NotFound(f"no extractor {name!r} to train", hints=(hint,) if hint else ())
    named = extractors[name]
    spec, learns = named.spec, named.spec.learns
    assert learns is not None, "only such are listed"
    folder = workspace.root / named.workflow.folder
    _check_dataset(named, learns)
    if spec.by.prompt is not None:
        return _from_runs(workspace, name, named)
    examples = _examples(workspace, named, learns)
    files: list[Path] = []
    trained: TrainedFields | None = None
    if spec.by.trained is not None:
        trained = train_extractor(examples[learns.split], spec.finds, spec.by.trained)
        files.append(_write(workspace, folder / spec.by.trained.artefact, trained.content))
    reliability: Mapping[str, FieldReliability] = {}
    if spec.calibration is not None:
        calibration, reliability = _calibrated(spec, trained, examples[spec.calibration.split])
        files += _write_calibration(workspace, folder / spec.calibration.artefact, calibration, reliability)
    return Taught(name=name, files=tuple(files), trained=trained, reliability=reliability)


def _naming(
    steps: Mapping[str, StepSpec], path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], ExtractStep]]:
    for name, step in steps.items():
        if isinstance(step, MapStep):
            yield from _naming(step.map.steps, (*path, name, "map", "steps"))
        elif isinstance(step, ExtractStep) and step.extract not in (*DOCUMENTS, MERGED):
            yield (*path, name), step


def _check_dataset(named: _Named, learns: LearnsSpec) -> None:
    if learns.dataset not in named.workflow.datasets:
        hint = did_you_mean(learns.dataset, named.workflow.datasets, "datasets")
        raise NotFound(f"no dataset {learns.dataset!r} in {named.workflow.workflow}", hints=(hint,) if hint else ())


def _from_runs(workspace: Workspace, name: str, named: _Named) -> Taught:
    """Calibrate an extractor that asks a model, from what its model answered in recorded runs."""
    spec = named.spec
    assert spec.calibration is not None, "only such are listed"
    with open_app(workspace.root) as app:
        answers = recorded_answers(app, workspace, named.workflow, named.step, spec)
    rate = spec.calibration.error_rate
    calibration, reliability = calibrate(
        spec.finds, answers.found, error_rate=None if rate is None else Fraction(rate), made=dict(answers.made)
    )
    path = workspace.root / named.workflow.folder / spec.calibration.artefact
    files = _write_calibration(workspace, path, calibration, reliability)
    return Taught(name=name, files=tuple(files), trained=None, reliability=reliability)


def _examples(workspace: Workspace, named: _Named, learns: LearnsSpec) -> dict[str, list[Example]]:
    """Return the labelled cases of the splits that teach, each as the extractor's step would read it."""
    dataset = named.workflow.datasets[learns.dataset]
    reader = CaseReader(workspace, named.workflow, named.step)
    splits = {learns.split} if named.spec.by.trained is not None else set()
    splits |= {named.spec.calibration.split} if named.spec.calibration is not None else set()
    examples: dict[str, list[Example]] = {split: [] for split in splits}
    folder = workspace.root / named.workflow.folder
    for case in read_dataset(dataset, folder, environ=os.environ, splits=frozenset(splits)):
        if case.expected is not None:
            expected = expected_fields(case.expected, named.spec.finds, learns)
            examples[case.split].append(Example(id=case.id, source=reader.source(case, dataset), expected=expected))
    for split, cases in examples.items():
        if not cases:
            raise InputError(
                f"no labelled case of {learns.dataset} is in the split {split!r}",
                hints=("look at `split:` of the dataset, and at `split` under `learns` and `calibration`",),
            )
    return examples


def _calibrated(
    spec: ExtractorSpec, trained: TrainedFields | None, examples: Sequence[Example]
) -> tuple[Calibration, Mapping[str, FieldReliability]]:
    assert spec.calibration is not None
    extractor = _extractor(spec, trained)
    found = []
    for each in examples:
        truths = known_fields(spec.finds, each.expected)
        found.append(found_values(spec.finds, extractor.find(each.source), each.source, truths))
    rate = spec.calibration.error_rate
    made = calibration_facts(spec, None if trained is None else artefact_digest(trained.content))
    return calibrate(spec.finds, found, error_rate=None if rate is None else Fraction(rate), made=made)


def _extractor(spec: ExtractorSpec, trained: TrainedFields | None) -> Extractor:
    if trained is not None:
        return TrainedExtractor.load(spec.finds, trained.content)
    assert spec.by.rules is not None, "a prompt is calibrated from runs"
    return RuleExtractor(spec.finds, spec.by.rules)


def _write_calibration(
    workspace: Workspace, path: Path, calibration: Calibration, reliability: Mapping[str, FieldReliability]
) -> list[Path]:
    report = {field: each.to_json() for field, each in reliability.items()}
    text = json.dumps(report, indent=2, sort_keys=True) + "\n"
    return [
        _write(workspace, path, write_artefact(calibration.artefact())),
        _write(workspace, path.with_name(f"{path.stem}.report.json"), text.encode()),
    ]


def _write(workspace: Workspace, path: Path, content: bytes) -> Path:
    """Write an artefact whole or not at all."""
    if not path.resolve().is_relative_to(workspace.root.resolve()):
        raise InputError(f"the artefact {path.name} is outside the workspace", hints=("mend `artefact`",))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise InputError(f"the artefact {path.name} cannot be written: {reason}") from error
    return path
