"""The leaf of one event or blob: what the chain commits to.

    header = canonical JSON of the row's columns, with sha256 of body and of payload (ciphertext)
    salt   = HMAC(tenant's salt key, header)[:16]
    leaf   = sha256(0x00 ‖ salt ‖ header)

The salt hides contents that could be guessed, and since it is keyed it also proves that a row was written by a holder
of the key, sealed or not: whoever writes the database without the key cannot add or change a row unseen. An auditor
without the key takes the salt as it is and checks leaf, block and signature.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from aie.core import keyed_digest

__all__ = ["blob_header", "event_header", "leaf_of", "salt_of"]

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@lru_cache(maxsize=8192)
def _text(text: str) -> str:
    """Return a text as JSON: those of a header come again with every event of their run, writer and type."""
    return _encode(text)


def event_header(row: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes that an event's salt and leaf are over; keys stand in sorted order."""
    payload = row["payload"]
    sealed = "null" if payload is None else f'"{hashlib.sha256(payload).hexdigest()}"'
    # Put together by hand, as this is done for every event: an encoder takes three times as long.
    return (
        f'{{"at":{row["at"]:d},"body":"{hashlib.sha256(row["body"].encode()).hexdigest()}","epoch":{row["epoch"]:d},'
        f'"key":{_text(row["key_id"])},"n":{row["n"]:d},"payload":{sealed},"segment":{row["segment"]:d},'
        f'"stream":{_text(row["stream"])},"tenant":{_text(row["tenant"])},"type":{_text(row["type"])},'
        f'"writer":{_text(row["writer"])},"writer_seq":{row["writer_seq"]:d}}}'
    ).encode()


def blob_header(row: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes that a blob's salt and leaf are over."""
    return _encode(
        {
            "at": row["at"],
            "data": hashlib.sha256(row["data"]).hexdigest(),
            "key": row["key_id"],
            "ref": row["ref"],
            "tenant": row["tenant"],
            "writer": row["writer"],
            "writer_seq": row["writer_seq"],
        }
    ).encode()


def salt_of(key: bytes, header: bytes) -> bytes:
    """Return the keyed salt of a header."""
    return keyed_digest(key, header)[:16]


def leaf_of(salt: bytes, header: bytes) -> bytes:
    """Return the leaf hash (RFC 9162: a leaf is prefixed by 0x00, a node by 0x01)."""
    return hashlib.sha256(b"\x00" + salt + header).digest()
