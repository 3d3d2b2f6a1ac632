"""The leaf of one event or blob: what the chain commits to.

    header = canonical JSON of the row's columns, with sha256 of body and of payload (ciphertext)
    salt   = HMAC(tenant's salt key, header)[:16]
    leaf   = sha256(0x00 ‖ salt ‖ header)

The salt hides contents that could be guessed, and since it is keyed it also proves that a row was written by a holder of
the key, sealed or not: whoever writes the database without the key cannot add or change a row unseen. An auditor without
the key takes the salt as it is and checks leaf, block and signature.
"""

import hashlib
import hmac
import json
from typing import Final

__all__ = ["blob_header", "event_header", "leaf_of", "salt_of"]

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def event_header(
    *, tenant: str, stream: str, n: int, writer: str, writer_seq: int, type_: str, at: int, segment: int, epoch: int,
    body: str, payload: bytes | None, key_id: str,
) -> bytes:
    """Return the canonical bytes that an event's salt and leaf are over; keys stand in sorted order."""
    return _encode(
        {
            "at": at,
            "body": hashlib.sha256(body.encode()).hexdigest(),
            "epoch": epoch,
            "key": key_id,
            "n": n,
            "payload": None if payload is None else hashlib.sha256(payload).hexdigest(),
            "segment": segment,
            "stream": stream,
            "tenant": tenant,
            "type": type_,
            "writer": writer,
            "writer_seq": writer_seq,
        }
    ).encode()


def blob_header(*, tenant: str, ref: str, key_id: str, writer: str, writer_seq: int, at: int, data: bytes) -> bytes:
    """Return the canonical bytes that a blob's salt and leaf are over."""
    return _encode(
        {
            "at": at,
            "data": hashlib.sha256(data).hexdigest(),
            "key": key_id,
            "ref": ref,
            "tenant": tenant,
            "writer": writer,
            "writer_seq": writer_seq,
        }
    ).encode()


def salt_of(key: bytes, header: bytes) -> bytes:
    """Return the keyed salt of a header."""
    return hmac.digest(key, header, "sha256")[:16]


def leaf_of(salt: bytes, header: bytes) -> bytes:
    """Return the leaf hash (RFC 9162: a leaf is prefixed by 0x00, a node by 0x01)."""
    return hashlib.sha256(b"\x00" + salt + header).digest()
