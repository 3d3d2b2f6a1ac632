"""Artefacts: one canonical form, read back exactly or refused."""

import json
import struct

import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.errors import InputError
from aie.models import Artefact, artefact_digest, read_artefact, write_artefact
from aie.models.artefact import Array


def artefact(*, note: str = "a") -> Artefact:
    """Return a small artefact of mixed element types."""
    return Artefact(
        kind="sample",
        parameters={"note": note, "labels": ["x", "y"]},
        arrays={
            "weights": Array(dtype="I16", shape=(2, 2), data=struct.pack("<4h", 1, -2, 3, -4)),
            "names": Array(dtype="U8", shape=(3,), data=b"a\nb"),
            "scale": Array(dtype="F64", shape=(2,), data=struct.pack("<2d", 0.5, 0.25)),
        },
    )


def test_what_is_written_is_read_back() -> None:
    """Nothing is lost or added."""
    assert read_artefact(write_artefact(artefact())) == artefact()


def test_any_safetensors_reader_opens_it() -> None:
    """The container is the public format."""
    arrays = safetensors.numpy.load(write_artefact(artefact()))
    assert arrays["weights"].tolist() == [[1, -2], [3, -4]]
    assert arrays["scale"].tolist() == [0.5, 0.25]


def test_the_same_content_from_another_writer_has_the_same_digest() -> None:
    """Identity is the content's, not the container's."""
    ours = write_artefact(artefact())
    size = int.from_bytes(ours[:8], "little")
    header = json.loads(ours[8 : 8 + size])
    spaced = json.dumps(dict(reversed(header.items())), indent=1).encode()
    theirs = len(spaced).to_bytes(8, "little") + spaced + ours[8 + size :]
    assert theirs != ours
    assert artefact_digest(theirs) == artefact_digest(ours)


def test_other_content_has_another_digest() -> None:
    """The negative control of the one above: parameters and arrays both count."""
    ours = write_artefact(artefact())
    changed = ours[:-1] + bytes([ours[-1] ^ 1])
    assert len({artefact_digest(each) for each in (ours, changed, write_artefact(artefact(note="b")))}) == 3


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_with_a_typed_error_or_is_another_artefact(data: st.DataObject) -> None:
    """No damage ends in a traceback, and none goes unnoticed."""
    whole = write_artefact(artefact())
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [whole[:at], whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]]
        )
    )
    try:
        digest = artefact_digest(damaged)
    except InputError:
        return
    assert digest != artefact_digest(whole) or read_artefact(damaged) == artefact()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04.", b"\xff" * 64, (2).to_bytes(8, "little") + b"{}"])
def test_another_format_is_refused(content: bytes) -> None:
    """An empty file, a zip, a pickle, noise, safetensors without our parameters."""
    with pytest.raises(InputError, match="not an artefact"):
        read_artefact(content)
