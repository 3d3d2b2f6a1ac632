"""Where keys come from: the root secret stays outside the database."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aie.errors import StoreError

__all__ = ["KeyProvider", "MemoryKeys", "PlainKeys"]

_NONCE: Final = 12
_RESTORE: Final = ("restore the file from a backup; without it the store's private payloads cannot be read",)


class KeyProvider(Protocol):
    """Holds what the database must not: a key service, or a file."""

    def wrap(self, tenant: str, key: bytes, context: bytes) -> bytes:
        """Return the data key encrypted for storage in the database, tied to `context`."""
        ...

    def unwrap(self, tenant: str, wrapped: bytes, context: bytes) -> bytes:
        """Return what `wrap` was given.

        Raises:
            StoreError: the wrapped key is not one of this provider, tenant and context.
        """
        ...

    def mac_key(self, tenant: str, purpose: str) -> bytes:
        """Return the tenant's 32-byte key for keyed hashes of one purpose."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of a chain head."""
        ...

    def public_key(self) -> bytes:
        """Return the 32 bytes that verify `sign`."""
        ...


class MemoryKeys:
    """Keys derived from one root secret by HMAC-SHA-256 over a label."""

    def __init__(self, root: bytes | None = None) -> None:
        self._root = root or secrets.token_bytes(32)
        self._signer = Ed25519PrivateKey.from_private_bytes(self._derive("chain"))

    def _derive(self, *label: str) -> bytes:
        return hmac.digest(self._root, json.dumps(["aie", 1, *label]).encode(), hashlib.sha256)

    def wrap(self, tenant: str, key: bytes, context: bytes) -> bytes:
        """Encrypt under the tenant's wrapping key."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._derive("wrap", tenant)).encrypt(nonce, key, context)

    def unwrap(self, tenant: str, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt under the tenant's wrapping key."""
        try:
            return AESGCM(self._derive("wrap", tenant)).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], context)
        except (InvalidTag, ValueError) as error:
            hints = ("open the store with the keys it was written with",)
            raise StoreError("a data key was not wrapped by this key provider", hints=hints) from error

    def mac_key(self, tenant: str, purpose: str) -> bytes:
        """Derive the key of one purpose."""
        return self._derive("mac", tenant, purpose)

    def sign(self, message: bytes) -> bytes:
        """Sign with the key derived for the chain."""
        return self._signer.sign(message)

    def public_key(self) -> bytes:
        """Return the public half."""
        return self._signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class PlainKeys(MemoryKeys):
    """The default: the root secret in a file that only its owner reads. Losing the file loses every private payload."""

    def __init__(self, path: Path, *, is_new: Callable[[], bool] = lambda: True) -> None:
        """Read the file, or make it.

        Args:
            path: the file.
            is_new: whether the store holds nothing yet; else keys that are missing are not made anew, as no key but the
                lost one opens what is there.

        Raises:
            StoreError: the file cannot be read, or is missing from a store that is not new.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                if not is_new() and not path.exists():  # another process may be making both just now
                    raise StoreError(f"the store's key file {path} is missing", hints=_RESTORE)
                _create(path)
            root = bytes.fromhex(json.loads(path.read_text())["root"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StoreError(f"the key file {path} cannot be read", hints=_RESTORE) from error
        if len(root) != 32:
            raise StoreError(f"the key file {path} does not hold a root of 32 bytes", hints=_RESTORE)
        super().__init__(root)


def _create(path: Path) -> None:
    """Write a fresh root; the first of several processes wins, none ever sees half a file."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump({"format": 1, "root": secrets.token_hex(32)}, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
