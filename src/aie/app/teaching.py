"""Train and calibrate the extractors that workflows name; a release never trains."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from aie.app.reading_cases import CaseReader
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
from aie.fields.trained import Example, TrainedExtractor, TrainedFields, train_extractor, value_in
from aie.fields.truth import known
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
            if written is not None and written.spec.learns is not None:
                name = f"{workflow.workflow}/{Path(step.extract).stem}"
                found.setdefault(name, _Named(workflow=workflow, step=step, spec=written.spec))
    problems.raise_if_any()
    return found


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
        InputError: its dataset cannot teach it, or an artefact cannot be written.
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
    examples = _examples(workspace, named, learns)
    files: list[Path] = []
    trained: TrainedFields | None = None
    if spec.by.trained is not None:
        trained = train_extractor(examples[learns.split], spec.finds, spec.by.trained)
        files.append(_write(workspace, folder / spec.by.trained.artefact, trained.content))
    reliability: Mapping[str, FieldReliability] = {}
    if spec.calibration is not None:
        calibration, reliability = _calibrated(spec, trained, examples[spec.calibration.split])
        path = folder / spec.calibration.artefact
        files.append(_write(workspace, path, write_artefact(calibration.artefact())))
        report = {field: each.to_json() for field, each in reliability.items()}
        text = json.dumps(report, indent=2, sort_keys=True) + "\n"
        files.append(_write(workspace, path.with_name(f"{path.stem}.report.json"), text.encode()))
    return Taught(name=name, files=tuple(files), trained=trained, reliability=reliability)


def _naming(
    steps: Mapping[str, StepSpec], path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], ExtractStep]]:
    for name, step in steps.items():
        if isinstance(step, MapStep):
            yield from _naming(step.map.steps, (*path, name, "map", "steps"))
        elif isinstance(step, ExtractStep) and step.extract not in (*DOCUMENTS, MERGED):
            yield (*path, name), step


def _examples(workspace: Workspace, named: _Named, learns: LearnsSpec) -> dict[str, list[Example]]:
    """Return the labelled cases of the splits that teach, each as the extractor's step would read it."""
    dataset = named.workflow.datasets.get(learns.dataset)
    if dataset is None:
        hint = did_you_mean(learns.dataset, named.workflow.datasets, "datasets")
        raise NotFound(f"no dataset {learns.dataset!r} in {named.workflow.workflow}", hints=(hint,) if hint else ())
    reader = CaseReader(workspace, named.workflow, named.step)
    splits = {learns.split} if named.spec.by.trained is not None else set()
    splits |= {named.spec.calibration.split} if named.spec.calibration is not None else set()
    examples: dict[str, list[Example]] = {split: [] for split in splits}
    folder = workspace.root / named.workflow.folder
    for case in read_dataset(dataset, folder, environ=os.environ, splits=frozenset(splits)):
        if case.expected is not None:
            expected = _expected(case.expected, named.spec, learns)
            examples[case.split].append(Example(id=case.id, source=reader.source(case, dataset), expected=expected))
    for split, cases in examples.items():
        if not cases:
            raise InputError(
                f"no labelled case of {learns.dataset} is in the split {split!r}",
                hints=("look at `split:` of the dataset, and at `split` under `learns` and `calibration`",),
            )
    return examples


def _expected(expected: Mapping[str, JSON], spec: ExtractorSpec, learns: LearnsSpec) -> dict[str, JSON]:
    """Return the known value of each field; a field of which nothing is said is absent."""
    made: dict[str, JSON] = {}
    for name in spec.finds:
        place: JSON = dict(expected)
        for key in learns.expected.get(name, f"expected.{name}").split(".")[1:]:
            if not isinstance(place, dict) or key not in place:
                break
            place = place[key]
        else:
            made[name] = place
    return made


def _calibrated(
    spec: ExtractorSpec, trained: TrainedFields | None, examples: Sequence[Example]
) -> tuple[Calibration, Mapping[str, FieldReliability]]:
    assert spec.calibration is not None
    extractor = _extractor(spec, trained)
    found = []
    for each in examples:
        truths = {
            name: truth
            for name, field in spec.finds.items()
            if name in each.expected and (truth := known(field, each.expected[name], value_in)) is not None
        }
        found.append(found_values(spec.finds, extractor.find(each.source), each.source, truths))
    rate = spec.calibration.error_rate
    made = calibration_facts(spec, None if trained is None else artefact_digest(trained.content))
    return calibrate(spec.finds, found, error_rate=None if rate is None else Fraction(rate), made=made)


def _extractor(spec: ExtractorSpec, trained: TrainedFields | None) -> Extractor:
    if trained is not None:
        return TrainedExtractor.load(spec.finds, trained.content)
    if spec.by.rules is not None:
        return RuleExtractor(spec.finds, spec.by.rules)
    raise InputError(
        "an extractor that asks a model is not calibrated without runs",
        hints=("take `calibration` out of the extractor file",),
    )


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
