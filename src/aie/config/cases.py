"""Reading the cases of a declared dataset, one by one, from the file as it is."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

from aie.config.datasets import DatasetSpec, SplitByDate, SplitByField, SplitByHash
from aie.config.labelling import read_labels
from aie.core import JSON, open_file, read_json
from aie.errors import InputError

__all__ = ["Case", "dataset_files", "read_dataset"]

MAX_LINE: Final = 8_000_000
"""Characters of one row."""
_NAMED: Final = 12
"""Fields of a row that an error names."""
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a dataset."""

    id: str
    input: Mapping[str, JSON]
    """Where the declaration says `files:`, the value is the absolute path of the file."""
    expected: Mapping[str, JSON] | None
    """None for a case without a label."""
    split: str
    slice: Mapping[str, str]
    """Names of the groups that the case belongs to, by kind of group."""
    at: str = ""
    """Day of the case, `YYYY-MM-DD`; empty when it has none."""


@dataclass(frozen=True, slots=True)
class _Row:
    place: str
    """`file:line`, for errors."""
    data: dict[str, Any]
    folder: Path
    split: str | None


@dataclass(slots=True)
class _Parts:
    input: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    slice: dict[str, Any] = field(default_factory=dict)


def dataset_files(spec: DatasetSpec, folder: Path, environ: Mapping[str, str]) -> list[tuple[str | None, Path]]:
    """Return the files of a dataset, each with the split it makes, or None where the rows say it.

    Raises:
        InputError: a reference to an environment variable that is not set.
    """
    named = spec.file if isinstance(spec.file, dict) else {None: spec.file}
    return [(split, _locate(written, folder, environ)) for split, written in named.items()]


def read_dataset(
    spec: DatasetSpec, folder: Path, *, environ: Mapping[str, str], splits: frozenset[str] | None = None
) -> Iterator[Case]:
    """Yield the cases of a dataset in file order.

    Args:
        spec: The declaration.
        folder: The workflow's folder.
        environ: Where `env:NAME/…` references are looked up.
        splits: Only cases of these; None: all.

    Raises:
        InputError: with `file:line`, at the first row that is not as declared.
    """
    given = read_labels(folder / spec.labels) if spec.labels is not None else {}
    seen: dict[str, str] = {}
    for split, path in dataset_files(spec, folder, environ):
        for row in _rows(path, spec, split):
            if not _wanted(row, spec):
                continue
            case = _case(row, spec, path)
            if case.id in seen:
                raise InputError(
                    f"{row.place}: the id stands twice; first at {seen[case.id]}", hints=("make ids unique",)
                )
            seen[case.id] = row.place
            if splits is None or case.split in splits:
                yield replace(case, expected=given[case.id].expected) if case.id in given else case


def _locate(written: str, folder: Path, environ: Mapping[str, str]) -> Path:
    if not written.startswith("env:"):
        return folder / written
    name, _, rest = written.removeprefix("env:").partition("/")
    if not environ.get(name):
        raise InputError(
            f"the dataset is in the folder that {name} names, and {name} is not set",
            hints=(f"export {name}=FOLDER, where FOLDER holds {rest}",),
        )
    return Path(environ[name]) / rest


def _rows(path: Path, spec: DatasetSpec, split: str | None) -> Iterator[_Row]:
    read: Callable[[TextIO, Path], Iterator[tuple[int, dict[str, Any]]]]
    read = _read_jsonl if spec.format == "jsonl" else _read_csv
    try:
        newline = "" if spec.format == "csv" else None
        with TextIOWrapper(open_file(path), encoding="utf-8-sig", newline=newline) as file:
            for line, data in read(file, path):
                yield _Row(f"{path.name}:{line}", data, path.parent, split)
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8", hints=("save it as UTF-8",)) from error
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise InputError(f"{path.name}: {reason}", hints=("look at `file:` of the dataset",)) from error


def _read_jsonl(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise InputError(f"{path.name}:{number}: a row longer than {MAX_LINE} characters")
        if not line.strip():
            continue
        try:
            data = read_json(line)
        except InputError as error:
            raise InputError(f"{path.name}:{number}: {error.message}", hints=error.hints) from error
        if not isinstance(data, dict):
            raise InputError(f"{path.name}:{number}: a row is an object", hints=('write {"id": …} on each line',))
        yield number, data


def _read_csv(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = _Lines(file)
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, None)
        if not header or len(set(header)) != len(header):
            raise InputError(f"{path.name}:1: a header with different names expected")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(f"{path.name}:{lines.number}: {len(row)} fields, the header has {len(header)}")
            yield lines.number, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{path.name}:{lines.number}: not CSV: {error}", hints=("look at its quotes",)) from error


class _Lines:
    """Lines of a file with their number, none of them endless."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        return line


def _wanted(row: _Row, spec: DatasetSpec) -> bool:
    for name in spec.needs:
        if _get(row, name) in (_ABSENT, None, "", []):
            return False
    for name, value in spec.where.items():
        given = _get(row, name)
        if given is _ABSENT:
            raise InputError(f"{row.place}: no field `{name}`, which `where` asks for", hints=("look at `where:`",))
        same = _plain(given) == _plain(value) if spec.format == "csv" else given == value and type(given) is type(value)
        if not same:
            return False
    return True


def _plain(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _get(row: _Row, path: str) -> Any:
    value: Any = row.data
    if path in row.data:
        return row.data[path]
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _case(row: _Row, spec: DatasetSpec, path: Path) -> Case:
    parts, at = _Parts(), ""
    for target, source in spec.map.items():
        value = _get(row, source)
        if value is _ABSENT and not target.startswith("expected."):
            raise _no_field(row, target, source)
        if target == "at":
            at = _day(row, source)
        else:
            _put(parts, target, value, row, spec)
    for target, source in spec.files.items():
        _put(parts, target, _file(row, source), row, spec)
    slices = {name: _plain(value) for name, value in parts.slice.items()}
    identity = str(_required(row, spec.id)) if spec.id else row.place.replace(":", "-")
    return Case(
        id=identity,
        input=parts.input,
        expected=parts.expected or None,
        split=_split(row, spec, identity),
        slice=slices,
        at=at,
    )


def _put(parts: _Parts, target: str, value: Any, row: _Row, spec: DatasetSpec) -> None:
    kind, *names = target.split(".")
    if kind == "expected" and (value is _ABSENT or value is None or value in ("", [])):
        if value is _ABSENT and spec.empty == "error":
            raise _no_field(row, target, spec.map.get(target) or spec.files[target])
        if spec.empty == "error":
            raise InputError(
                f"{row.place}: `{target}` is empty",
                hints=("say `empty: unlabelled`, or `empty: label` where that is an answer",),
            )
        if spec.empty == "unlabelled" or value is _ABSENT:
            return
    place: dict[str, Any] = getattr(parts, kind)
    for name in names[:-1]:
        place = place.setdefault(name, {})
    place[names[-1]] = value


def _no_field(row: _Row, target: str, source: str) -> InputError:
    # Names of fields are the declaration's business; their values may be anybody's.
    names = ", ".join(f"`{name}`" for name in sorted(row.data)[:_NAMED]) or "no field at all"
    return InputError(
        f"{row.place}: no field `{source}`",
        hints=(f"the row has {names}; look at `map: {{{target}: …}}`",),
    )


def _required(row: _Row, source: str) -> Any:
    value = _get(row, source)
    if value is _ABSENT or value is None or value == "":
        raise InputError(f"{row.place}: `{source}` is empty or not there")
    return value


def _day(row: _Row, source: str) -> str:
    text = str(_required(row, source))[:10]
    if len(text) != 10 or text[4] != "-" or text[7] != "-" or not text.replace("-", "").isdigit():
        raise InputError(f"{row.place}: `{source}` is not a date", hints=("dates are YYYY-MM-DD…",))
    return text


def _file(row: _Row, source: str) -> str:
    named = str(_required(row, source))
    try:
        full = (row.folder / named).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL is a ValueError, a circle of links a RuntimeError
        raise InputError(f"{row.place}: `{source}` is not a path") from error
    if not full.is_relative_to(row.folder.resolve()):
        raise InputError(f"{row.place}: `{source}` names a file outside the dataset's folder")
    return str(full)


def _split(row: _Row, spec: DatasetSpec, identity: str) -> str:
    match spec.split:
        case None:
            return row.split or "all"
        case SplitByField(by=by):
            return str(_required(row, by))
        case SplitByDate(date=date, before=before, rest=rest):
            day = _day(row, date)
            return next((name for name, end in before.items() if day < end), rest)
        case SplitByHash(hash=by, shares=shares):
            digest = hashlib.sha256(str(_required(row, by)).encode()).digest()
            point, total = Decimal(int.from_bytes(digest[:8], "big")) / 2**64, Decimal(0)
            for name, share in shares.items():
                total += share
                if point < total:
                    return name
            return name
