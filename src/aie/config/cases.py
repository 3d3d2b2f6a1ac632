"""Reading the cases of a declared dataset, one by one, from the file as it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aie.config.datasets import DatasetSpec
from aie.core import JSON

__all__ = ["Case", "read_dataset"]


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
    at: str = ""
    """Day of the case, `YYYY-MM-DD`; empty when it has none."""


def read_dataset(
    spec: DatasetSpec, folder: Path, *, environ: Mapping[str, str], splits: frozenset[str] | None = None
) -> Iterator[Case]:
    """Yield the cases of a dataset in file order; `folder` is the workflow's."""
    raise NotImplementedError
