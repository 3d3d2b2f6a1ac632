"""Damage to files, drawn at random from a seed: what transport, storage, careless programs and attackers do to them."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["MUTATORS", "mutate"]

_CONTROLS: Final = (b"\0", b"\x1b[2J", b"\x7f", b"\x0c", "\u202e".encode(), b"\xed\xa0\x80", b"\xff\xfe", b"\r", b"&x;")
_LENGTHS: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_MOST: Final = 1 << 20
"""Bytes of what is made: the damage is what is looked at, not the size."""


def mutate(rng: random.Random, content: bytes, other: bytes) -> tuple[str, bytes]:
    """Return the names of one to three kinds of damage and what they made of the content.

    Args:
        rng: where everything is drawn from.
        content: the file.
        other: another file, of which parts may be put in.
    """
    names = rng.choices(tuple(MUTATORS), k=rng.choice((1, 1, 2, 3)))
    for name in names:
        content = MUTATORS[name](rng, content, other)[:_MOST]
    return "+".join(names), content


def _flip(rng: random.Random, content: bytes, other: bytes) -> bytes:
    del other
    made = bytearray(content)
    for _ in range(rng.randint(1, 16)):
        if made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _truncate(rng: random.Random, content: bytes, other: bytes) -> bytes:
    del other
    return content[: rng.randrange(len(content) + 1)]


def _behead(rng: random.Random, content: bytes, other: bytes) -> bytes:
    del other
    return content[rng.randrange(len(content) + 1) :]


def _splice(rng: random.Random, content: bytes, other: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(other) + 1) for _ in range(2))
    at = rng.randrange(len(content) + 1)
    return content[:at] + other[start:end] + content[at + rng.choice((0, end - start)) :]


def _repeat(rng: random.Random, content: bytes, other: bytes) -> bytes:
    del other
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * rng.randint(1, 200) + content[end:]


def _length(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Write a length where one may stand: a binary word, or digits of a text format."""
    del other
    if len(content) < 4:
        return content
    value = rng.choice(_LENGTHS)
    digits = [at for at in range(len(content)) if content[at : at + 1].isdigit()]
    if digits and rng.random() < 0.5:
        at = rng.choice(digits)
        return content[:at] + str(rng.choice((value, -value))).encode() + content[at + 1 :]
    at = rng.randrange(len(content) - 3)
    return content[:at] + struct.pack(rng.choice("<>") + "I", value) + content[at + 4 :]


def _controls(rng: random.Random, content: bytes, other: bytes) -> bytes:
    del other
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.choice(_CONTROLS) * rng.choice((1, 1, 40)) + content[at:]
    return content


def _nest(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Put in many openings that nothing closes."""
    del other
    opening = rng.choice((b"[", b"{", b"<a>", b"<<", b"(", b'{"a":', b"- ", b"{\\b ", b"<div>", b"&a;"))
    at = rng.randrange(len(content) + 1)
    return content[:at] + opening * rng.choice((10, 1_000, 20_000)) + content[at:]


def _entry(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Change one entry of an archive: its content, its name, its method, or how often it is there."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return _flip(rng, content, other)
    made, chosen = io.BytesIO(), rng.randrange(len(entries) or 1)
    kind = rng.choice(("content", "name", "zeros", "twice", "gone", "entity"))
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, data) in enumerate(entries):
            named, held = (name, data) if number != chosen else _changed(rng, kind, name, data, other)
            if held is not None:
                archive.writestr(zipfile.ZipInfo(named), held, zipfile.ZIP_DEFLATED)
            if number == chosen and kind == "twice":
                archive.writestr(zipfile.ZipInfo(name + " "), other, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _changed(rng: random.Random, kind: str, name: str, data: bytes, other: bytes) -> tuple[str, bytes | None]:
    match kind:
        case "content":
            return name, MUTATORS[rng.choice(("flip", "truncate", "splice", "controls", "nest"))](rng, data, other)
        case "name":
            return rng.choice(("../../" + name, "/etc/passwd", "a" * 300, name.upper())), data
        case "zeros":
            return name, bytes(8 << 20)
        case "gone":
            return name, None
        case "entity":
            levels = "".join(f'<!ENTITY a{each} "{f"&a{each - 1};" * 10}">' for each in range(1, 9))
            head = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{levels}]>'.encode()
            return name, head + data.replace(b"</", b"&a8;</", 1)
        case _:
            return name, data


MUTATORS: Final[Mapping[str, Callable[[random.Random, bytes, bytes], bytes]]] = {
    "behead": _behead,
    "controls": _controls,
    "entry": _entry,
    "flip": _flip,
    "length": _length,
    "nest": _nest,
    "repeat": _repeat,
    "splice": _splice,
    "truncate": _truncate,
}
"""Each takes the source of chance, a file and another file, and returns the damaged file."""
