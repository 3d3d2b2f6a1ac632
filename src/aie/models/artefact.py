"""What training leaves behind: arrays and parameters in one file with one canonical form.

The container is safetensors, so that any tool reads it and nothing in it can run. It is written and read here because
the library's writer has no canonical byte form and its reader drops the metadata. The identity of an artefact is the
digest of the canonical bytes: a file that another tool wrote differently around the same content has the same one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from aie.core import JSON, canonical, digest_bytes
from aie.errors import InputError

__all__ = ["Artefact", "artefact_digest", "read_artefact", "write_artefact"]

_METADATA: Final = "aie"
_SIZES: Final = {"I8": 1, "U8": 1, "I16": 2, "U16": 2, "F16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8, "F64": 8}
_MAX_HEADER: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """One array, as little-endian bytes in C order."""

    dtype: str
    """Name of the element type in safetensors, e.g. `I8`, `F32`."""
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A trained model as data."""

    kind: str
    """What loads it, e.g. `text-classifier`."""
    parameters: Mapping[str, JSON]
    """Everything that is not an array; decimals are strings."""
    arrays: Mapping[str, Array]


def write_artefact(artefact: Artefact) -> bytes:
    """Return the canonical bytes: one form for one content."""
    names = sorted(artefact.arrays, key=lambda name: (-_SIZES[artefact.arrays[name].dtype], name))
    header: dict[str, Any] = {}
    start = 0
    for name in names:
        array = artefact.arrays[name]
        header[name] = {
            "dtype": array.dtype,
            "shape": list(array.shape),
            "data_offsets": [start, start + len(array.data)],
        }
        start += len(array.data)
    parameters = canonical({"kind": artefact.kind, "parameters": artefact.parameters}).decode()
    header["__metadata__"] = {_METADATA: parameters}
    head = canonical(header)
    head += b" " * (-len(head) % 8)
    return b"".join((len(head).to_bytes(8, "little"), head, *(artefact.arrays[name].data for name in names)))


def read_artefact(content: bytes) -> Artefact:
    """Read an artefact, refusing anything that is not exactly one.

    Raises:
        InputError: another format, a truncated file, or offsets that do not fit together.
    """
    try:
        header, body = _header(content)
        identity = json.loads(header.pop("__metadata__")[_METADATA], parse_float=_no_float)
        arrays = {name: _array(entry, body) for name, entry in header.items()}
        artefact = Artefact(kind=identity["kind"], parameters=identity["parameters"], arrays=arrays)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"not an artefact of aie: {error}", hints=("train it again with `aie train`",)) from error
    if sum(len(array.data) for array in arrays.values()) != len(body):
        raise InputError(
            "not an artefact of aie: its arrays do not fill the file", hints=("train it again with `aie train`",)
        )
    return artefact


def artefact_digest(content: bytes) -> str:
    """Return the identity of an artefact file: the digest of its canonical form.

    Raises:
        InputError: not an artefact.
    """
    return digest_bytes(write_artefact(read_artefact(content)))


def _header(content: bytes) -> tuple[dict[str, Any], memoryview]:
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(len(content) - 8, _MAX_HEADER):
        raise ValueError("its header is cut off")
    header = json.loads(content[8 : 8 + size], parse_float=_no_float)
    return dict(header), memoryview(content)[8 + size :]


def _array(entry: Mapping[str, Any], body: memoryview) -> Array:
    start, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if any(type(number) is not int or number < 0 for number in (start, end, *shape)):
        raise ValueError("an array's place is not made of whole numbers")
    if end > len(body) or end - start != prod(shape) * _SIZES[entry["dtype"]]:
        raise ValueError("an array's bytes do not fit its shape")
    return Array(dtype=entry["dtype"], shape=shape, data=bytes(body[start:end]))


def _no_float(text: str) -> None:
    raise ValueError(f"{text} is a float")
