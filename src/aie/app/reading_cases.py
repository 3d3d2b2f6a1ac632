"""What a step reads of a case of a dataset: the steps before it are run on the case, without a run or a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from aie.config import (
    DOCUMENTS,
    Case,
    DatasetSpec,
    Expression,
    ExtractStep,
    FieldSpec,
    LearnsSpec,
    ObjectType,
    Problems,
    Site,
    Type,
    WorkflowSpec,
    Workspace,
    references,
)
from aie.core import JSON, Document, Value, read_file
from aie.errors import AieError, InputError
from aie.fields import Source
from aie.fields.trained import value_in
from aie.fields.truth import Known, known
from aie.layers import LAYERS, Compiled, Result, Task, Tools, media_type

__all__ = ["LOCAL_TOOLS", "CaseReader", "expected_fields", "known_fields", "local_document"]

MAX_DOCUMENT: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Reads:
    """A step that reads a document, ready to run."""

    name: str
    compiled: Compiled
    given: Expression


class CaseReader:
    """Reads of a case what the step of an extractor file reads of a run's input."""

    def __init__(self, workspace: Workspace, workflow: WorkflowSpec, step: ExtractStep) -> None:
        """Prepare the steps before `step`.

        Raises:
            ConfigError: one of them has a mistake.
            InputError: one of them does more than read a document.
        """
        self._workspace, self._workflow, self._step = workspace, workflow, step
        self._types: dict[str, Type] = {"input": ObjectType(open=True)}
        self._before: list[_Reads] = []
        for name in references(step.from_):
            self._add(name)
        problems = Problems()
        site = self._site(step, problems)
        site.expression("from", step.from_)
        problems.raise_if_any()
        self._given = Expression(site.program(step.from_))

    def source(self, case: Case, dataset: DatasetSpec) -> Source:
        """Return what the step reads.

        Raises:
            InputError: with the case's id, when the case cannot be read.
        """
        values: dict[str, JSON] = {"input": _with_files(case, dataset)}
        try:
            for each in self._before:
                task = Task(
                    path=each.name,
                    config=each.compiled.config,
                    inputs={"from": Value(data=each.given.evaluate(values), ref="")},
                    workflow=self._workflow.workflow,
                )
                made = LAYERS["extract"].run(task, LOCAL_TOOLS)
                assert isinstance(made, Result), "reading gives a value"
                values[each.name] = made.data
            source = Source.of(self._given.evaluate(values))
        except AieError as error:
            raise InputError(f"case {case.id} cannot be read: {error.message}", hints=error.hints) from error
        if source is None:
            raise InputError(f"case {case.id}: `from` of the step {self._step.name!r} holds no text")
        return source

    def _add(self, name: str) -> None:
        """Prepare the step that makes a name, after those that it reads itself."""
        if name in self._types:
            return
        step = self._workflow.steps.get(name)
        if not isinstance(step, ExtractStep) or step.extract not in DOCUMENTS or step.if_ is not None:
            raise InputError(
                f"the step {self._step.name!r} reads {name!r}, which is not known before a run",
                hints=("what is trained reads the input, or steps that read documents of the input",),
            )
        for before in references(step.from_):
            self._add(before)
        problems = Problems()
        site = self._site(step, problems)
        compiled = LAYERS["extract"].compile(step, site)
        problems.raise_if_any()
        assert compiled is not None, "what cannot be compiled has a problem"
        self._types[name] = compiled.output
        self._before.append(_Reads(name, compiled, Expression(site.program(step.from_))))

    def _site(self, step: ExtractStep, problems: Problems) -> Site:
        return Site(
            workspace=self._workspace,
            workflow=self._workflow,
            step=step,
            scope=self._types,
            problems=problems,
            path=("steps", step.name),
        )


class _LocalFiles:
    """Files of a dataset, by their path."""

    def read(self, ref: str) -> bytes:
        return read_file(Path(ref), at_most=MAX_DOCUMENT)


class _NoAttempts:
    """Reading a document calls nobody."""

    def knows(self, request: JSON) -> bool:
        return False

    def open(self, **_: Any) -> NoReturn:
        raise InputError("reading a case calls no model")


def _nothing(_: str) -> NoReturn:
    raise InputError("reading a case uses no component")


LOCAL_TOOLS: Final = Tools(
    files=_LocalFiles(),
    attempts=_NoAttempts(),
    components=_nothing,
    live=_nothing,
    secret=_nothing,
    cache=lambda name, _: _nothing(name),
)
"""The ports of a step that reads files of this machine and asks nobody."""


def _with_files(case: Case, dataset: DatasetSpec) -> dict[str, JSON]:
    """Return the case's input, in which documents have the form that they have in a run."""
    made = dict(case.input)
    for target in dataset.files:
        kind, *keys = target.split(".")
        if kind == "input":
            made = _replaced(made, keys)
    return made


def _replaced(value: Mapping[str, JSON], keys: list[str]) -> dict[str, JSON]:
    inner = value[keys[0]]
    if len(keys) > 1 and isinstance(inner, dict):
        return {**value, keys[0]: _replaced(inner, keys[1:])}
    return {**value, keys[0]: local_document(Path(str(inner))).to_json()}


def expected_fields(
    expected: Mapping[str, JSON], finds: Mapping[str, FieldSpec], learns: LearnsSpec
) -> dict[str, JSON]:
    """Return what a case says of each field, as it is written; a field of which nothing is said is absent."""
    made: dict[str, JSON] = {}
    for name in finds:
        place: JSON = dict(expected)
        for key in learns.expected.get(name, f"expected.{name}").split(".")[1:]:
            if not isinstance(place, dict) or key not in place:
                break
            place = place[key]
        else:
            made[name] = place
    return made


def known_fields(finds: Mapping[str, FieldSpec], expected: Mapping[str, JSON]) -> dict[str, Known]:
    """Return the known values of each field in the form that is compared; one that cannot be read is absent."""
    return {
        name: truth
        for name, field in finds.items()
        if name in expected and (truth := known(field, expected[name], value_in)) is not None
    }


def local_document(path: Path) -> Document:
    """Return a file as a document whose reference is its path, which `LOCAL_TOOLS` read.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content = read_file(path, at_most=MAX_DOCUMENT)
    except OSError as error:
        raise InputError(f"{path.name}: {(error.strerror or 'cannot be read').lower()}") from error
    return Document(ref=str(path), name=path.name, media_type=media_type(content), size=len(content))
