"""First labels for a dataset: cases to show, labels to take in, from a person at the terminal, a form or a table."""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aie.app.reading_cases import LOCAL_TOOLS, local_document
from aie.config import (
    Case,
    DatasetSpec,
    GivenLabel,
    Workspace,
    append_labels,
    did_you_mean,
    load_workspace,
    read_dataset,
)
from aie.core import JSON, Clock, Value, iso, read_file, read_json
from aie.errors import InputError, NotFound, StepFailure
from aie.layers import LAYERS, Result, Task

__all__ = ["Labelling", "labelling", "read_given"]

_LARGEST: Final = 64_000_000
_CHOICES: Final = 60
"""More different labels than this are no list to choose from."""
_SHEETS: Final = frozenset({".xlsx", ".xls", ".xlsm", ".ods"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """A dataset that is being labelled."""

    name: str
    """`WORKFLOW/DATASET`."""
    spec: DatasetSpec
    folder: Path
    """Of the workflow."""
    fields: tuple[str, ...]
    """Names of the expected values, dots going into objects: `intent`, `terms.party`."""
    choices: Mapping[str, tuple[str, ...]]
    """Labels seen so far of each field, the most frequent first; empty where there are too many to choose from."""
    cases: tuple[Case, ...]
    """In file order."""

    @property
    def shown(self) -> frozenset[str]:
        """Names under which a table may show the input beside the labels; these columns say nothing new."""
        targets = [target for target in self.spec.map if not target.startswith("expected.")]
        return frozenset({*targets, *(each.rpartition(".")[2] for each in targets)} - set(self.fields))

    def open(self, *, again: bool = False, split: str = "") -> tuple[Case, ...]:
        """Return the cases without a label, or with `again` all of them."""
        return tuple(case for case in self.cases if (again or not case.expected) and (not split or case.split == split))

    def label(self, given: Iterable[tuple[str, Mapping[str, str]]], *, by: str, clock: Clock) -> int:
        """Write labels beside the dataset; return how many.

        Args:
            given: a case's id with the value of each field, as text; what is empty is left out.
            by: who says so.
            clock: tells when.

        Raises:
            InputError: no such case or field, a value that is not read, or the dataset names no file for labels.
        """
        if self.spec.labels is None:
            raise InputError(
                f"{self.name} names no file for labels",
                hints=("add `labels: datasets/NAME.labels.jsonl` to the dataset, and `empty: unlabelled`",),
            )
        known = {case.id for case in self.cases}
        labels = [
            GivenLabel(id=id_, expected=self._expected(id_, values), by=by, at=iso(clock.now()))
            for id_, values in given
            if any(value.strip() for value in values.values())
        ]
        strange = [each.id for each in labels if each.id not in known]
        if strange:
            raise InputError(
                f"{self.name} has no case {strange[0]!r}" + (f", nor {len(strange) - 1} others" if strange[1:] else ""),
                hints=("look at the ids; nothing was written",),
            )
        append_labels(self.folder / self.spec.labels, labels)
        return len(labels)

    def _expected(self, id_: str, values: Mapping[str, str]) -> dict[str, JSON]:
        expected: dict[str, JSON] = {}
        for name, text in values.items():
            if name in self.shown:
                continue
            if name not in self.fields:
                hint = did_you_mean(name, self.fields, "fields")
                raise InputError(f"case {id_}: {self.name} expects no {name!r}", hints=(hint,))
            if text.strip():
                _put(expected, name.split("."), _value(text.strip(), f"case {id_}, {name}"))
        return expected


def labelling(root: Path, dataset: str) -> Labelling:
    """Open a dataset to label it.

    Args:
        root: the workspace.
        dataset: `WORKFLOW/DATASET`, or `DATASET` where the name is unique.

    Raises:
        ConfigError: the workspace's files have mistakes.
        NotFound: no such dataset.
        InputError: a row that is not as declared.
    """
    workspace = load_workspace(root)
    name, spec, folder = _find(workspace, dataset)
    cases = tuple(read_dataset(spec, folder, environ=os.environ))
    fields = tuple(
        target.removeprefix("expected.") for target in (*spec.map, *spec.files) if target.startswith("expected.")
    )
    if not fields:
        raise InputError(f"{name} expects nothing", hints=("add `expected.NAME: NAME` to its `map`",))
    return Labelling(name=name, spec=spec, folder=folder, fields=fields, choices=_choices(cases, fields), cases=cases)


def read_given(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield labels from a file: what a form saved (`.json`), or a table with a column `id` (`.csv`, `.xlsx` …).

    Raises:
        InputError: it cannot be read as that.
    """
    try:
        content = read_file(path, at_most=_LARGEST)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from error
    if path.suffix.lower() == ".json":
        yield from _from_form(content, path.name)
    else:
        yield from _from_table(_sheet(path) if path.suffix.lower() in _SHEETS else _csv(content, path), path)


def _find(workspace: Workspace, dataset: str) -> tuple[str, DatasetSpec, Path]:
    known = {
        f"{workflow}/{name}": (each, workspace.root / spec.folder)
        for workflow, spec in workspace.workflows.items()
        for name, each in spec.datasets.items()
    }
    found = [name for name in known if name == dataset or ("/" not in dataset and name.endswith(f"/{dataset}"))]
    if len(found) != 1:
        why = f"several datasets are named {dataset!r}" if found else f"no dataset is named {dataset!r}"
        raise NotFound(
            why, hints=(f"--name one of {', '.join(found)}" if found else did_you_mean(dataset, known, "datasets"),)
        )
    return found[0], *known[found[0]]


def _choices(cases: Sequence[Case], fields: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in fields:
        seen = Counter(value for case in cases if isinstance(value := _get(case.expected, name.split(".")), str))
        few = len(seen) <= _CHOICES and sum(seen.values()) > len(seen)
        found[name] = tuple(value for value, _ in seen.most_common()) if few else ()
    return found


def _get(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _put(into: dict[str, JSON], keys: Sequence[str], value: JSON) -> None:
    for key in keys[:-1]:
        into = cast("dict[str, JSON]", into.setdefault(key, {}))
    into[keys[-1]] = value


def _value(text: str, place: str) -> JSON:
    """Return a label as it is meant: text, or a list or object that is written as JSON."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return read_json(text)
    except InputError as error:
        raise InputError(f"{place}: {error.message}", hints=('a list is written as JSON: ["a", "b"]',)) from error


def _from_form(content: bytes, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        data = read_json(content.decode())
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{name} is not what a form saved", hints=("save it from the form again",)) from error
    rows = data.get("labels") if isinstance(data, dict) else None
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case {"id": str(id_), "expected": dict(expected)} if all(
                isinstance(each, str) for each in expected.values()
            ):
                yield id_, cast("dict[str, str]", expected)
            case _:
                raise InputError(f"{name} is not what a form saved", hints=("save it from the form again",))


def _csv(content: bytes, path: Path) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name} is not CSV in UTF-8", hints=("save it again as CSV UTF-8",)) from error


def _sheet(path: Path) -> list[list[str]]:
    """Return the rows of a spreadsheet's first sheet, read where any document is read: in a closed process."""
    given = Value(data=local_document(path).to_json(), ref=str(path))
    task = Task(path="labels", config={"kind": "document"}, inputs={"from": given}, workflow="")
    try:
        made = LAYERS["extract"].run(task, LOCAL_TOOLS)
    except StepFailure as error:
        raise InputError(f"{path.name} cannot be read: {error.message}", hints=error.hints) from error
    assert isinstance(made, Result), "reading gives a value"
    data = cast("dict[str, Any]", made.data)
    first = data["text"][data["pages"][0]["start"] : data["pages"][0]["end"]]
    return [line.split("\t") for line in first.split("\n")[1:] if line.strip()]  # the first line is the sheet's name


def _from_table(rows: Sequence[Sequence[str]], path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    head = [cell.strip().removeprefix("expected.") for cell in rows[0]] if rows else []
    if "id" not in head or len(set(head)) != len(head):
        raise InputError(f"{path.name} has no column `id`", hints=("its first row names the columns, each once",))
    at = head.index("id")
    for number, row in enumerate(rows[1:], 2):
        cells = [*row, *[""] * (len(head) - len(row))]
        if len(cells) > len(head):
            raise InputError(f"{path.name}: row {number} has more cells than the heading")
        if any(cell.strip() for cell in cells):
            yield cells[at].strip(), {name: cell for name, cell in zip(head, cells, strict=True) if name != "id"}
