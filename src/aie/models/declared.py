"""From what `models.yaml` declares to an artefact: the dataset's cases become examples, the artefact becomes a file."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from aie.config import (
    AnyType,
    Case,
    ChosenThreshold,
    DatasetSpec,
    Expression,
    LearntHere,
    ObjectType,
    TabularClassifier,
    TextClassifier,
    Workspace,
    check_expression,
    did_you_mean,
    read_dataset,
)
from aie.core import JSON
from aie.errors import AieError, InputError, NotFound
from aie.models.tabular_training import Row, train_tabular_classifier
from aie.models.training import Example, Trained, train_text_classifier

__all__ = ["train_model", "write_trained"]

MadeT = TypeVar("MadeT")

_DEFAULT_SPLIT: Final = "val"
"""Calibrates a classifier whose threshold is not chosen on a split."""
_NO_LABEL: Final = "none"
"""Label of a case whose dataset says that an empty value is a label."""


def train_model(workspace: Workspace, name: str, *, environ: Mapping[str, str]) -> Trained:
    """Train a model as `models.yaml` declares it; nothing is written.

    Raises:
        NotFound: no such model, or not one that is trained.
        InputError: its dataset cannot teach it.
    """
    entry = workspace.models.models.get(name)
    if isinstance(entry, TextClassifier):
        text = _expression(entry.text, "text")
        train, val = _cases(workspace, entry, lambda case, label: _example(case, text, label, entry.task), environ)
        return train_text_classifier(train, val, entry)
    if isinstance(entry, TabularClassifier):
        features = {key: _expression(each.text, f"features.{key}") for key, each in entry.features.items()}
        rows, judged = _cases(workspace, entry, lambda case, label: _row(case, features, label), environ)
        return train_tabular_classifier(rows, judged, entry)
    trainable = [each for each, spec in workspace.models.models.items() if isinstance(spec, LearntHere)]
    hint = did_you_mean(name, trainable, "trainable models")
    raise NotFound(f"no model {name!r} to train in models.yaml", hints=(hint,) if hint else ())


def _cases(
    workspace: Workspace, entry: LearntHere, made: Callable[[Case, list[str]], MadeT], environ: Mapping[str, str]
) -> tuple[list[MadeT], list[MadeT]]:
    """Return what is made of the cases to learn from and of those that calibrate."""
    declared = _dataset(workspace, entry)
    judged = entry.threshold.on if isinstance(entry.threshold, ChosenThreshold) else _DEFAULT_SPLIT
    label = _label(entry, declared.spec)
    cases: dict[str, list[MadeT]] = {entry.split: [], judged: []}
    for case in read_dataset(declared.spec, declared.folder, environ=environ, splits=frozenset(cases)):
        cases[case.split].append(made(case, label))
    if not cases[judged]:
        raise InputError(
            f"no case of {entry.train} is in the split {judged!r} that calibrates {entry.name!r}",
            hints=(f"declare a split {judged!r} in the dataset, or name another under `threshold.on`",),
        )
    return cases[entry.split], cases[judged]


def write_trained(workspace: Workspace, name: str, trained: Trained) -> Path:
    """Write the artefact where `models.yaml` says, whole or not at all; return the path."""
    entry = workspace.models.models[name]
    assert isinstance(entry, LearntHere)
    path = workspace.root / entry.artefact
    if not path.resolve().is_relative_to(workspace.root.resolve()):
        raise InputError(f"the artefact {entry.artefact} is outside the workspace", hints=("mend `artefact`",))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(trained.content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    spec: DatasetSpec
    folder: Path
    """Of the workflow, which the dataset's file is relative to."""


def _dataset(workspace: Workspace, entry: LearntHere) -> _Declared:
    workflow, _, dataset = entry.train.rpartition("/")
    found = [
        (spec, each.datasets[dataset])
        for name, each in workspace.workflows.items()
        for spec in (each,)
        if dataset in each.datasets and workflow in ("", name)
    ]
    if len(found) != 1:
        known = [f"{name}/{each}" for name, spec in workspace.workflows.items() for each in spec.datasets]
        why = "is in several workflows" if found else "does not exist"
        raise NotFound(f"the dataset {entry.train!r} {why}", hints=(f"datasets: {', '.join(sorted(known)) or 'none'}",))
    spec, dataset_spec = found[0]
    return _Declared(spec=dataset_spec, folder=workspace.root / spec.folder)


def _label(entry: LearntHere, spec: DatasetSpec) -> list[str]:
    """Return the keys that lead to the label in a case's expected values."""
    targets = [target for target in spec.map if target.startswith("expected.")]
    if entry.label is None and len(targets) != 1:
        raise InputError(
            f"{entry.train} has {len(targets)} expected values",
            hints=(f"name the label in models.yaml, e.g. `label: {targets[0] if targets else 'expected.label'}`",),
        )
    return (entry.label or targets[0]).split(".")[1:]


def _expression(text: str, key: str) -> Expression:
    checked = check_expression(text, {"input": ObjectType(open=True)}, AnyType())
    if checked.findings:
        raise InputError(f"`{key}` of the model: {checked.findings[0].message}", hints=(checked.findings[0].hint,))
    return Expression(checked.program)


def _evaluated(case: Case, expression: Expression, key: str) -> JSON:
    try:
        return expression.evaluate({"input": dict(case.input)})
    except AieError as error:
        raise InputError(f"case {case.id}: {error.message}", hints=(f"mend `{key}` of the model",)) from error


def _example(case: Case, text: Expression, label: list[str], task: str) -> Example:
    words = _evaluated(case, text, "text")
    if not isinstance(words, str):
        raise InputError(f"case {case.id}: its text is not a text", hints=("mend `text` of the model",))
    return Example(text=words, labels=None if case.expected is None else _labels(case, _known(case, label), task))


def _row(case: Case, features: Mapping[str, Expression], label: list[str]) -> Row:
    values = {name: _evaluated(case, each, f"features.{name}") for name, each in features.items()}
    known = None if case.expected is None else _labels(case, _known(case, label), "single")
    if known is not None and len(known) != 1:
        raise InputError(f"case {case.id}: it has several labels", hints=("mend `label` of the model",))
    return Row(features=values, label=None if known is None else known[0])


def _known(case: Case, label: list[str]) -> JSON:
    """Return what a labelled case says under the keys that lead to its label."""
    value: JSON = None if case.expected is None else dict(case.expected)
    for key in label:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _labels(case: Case, value: JSON, task: str) -> tuple[str, ...]:
    if value is None or value in ("", []):
        return () if task == "multi" else (_NO_LABEL,)
    values = value if isinstance(value, list) else [value]
    labels = tuple(each for each in values if isinstance(each, str))
    if len(labels) != len(values):
        raise InputError(f"case {case.id}: its label is not a text", hints=("mend `label` of the model",))
    return labels
