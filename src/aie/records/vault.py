"""Private payloads and blobs: sealed under one data key for each (tenant, subject), kept wrapped in the database.

Sealed bytes are `nonce ‖ AES-256-GCM(plaintext)`; the associated data names the place, so that sealed bytes cannot be
moved. Destroying a subject's data key erases everything that it sealed; the chain, which is over ciphertext, still
verifies.
"""

import os
import secrets
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row

from aie.core import canonical, keyed_digest
from aie.errors import IntegrityError
from aie.records.keys import KeyProvider
from aie.records.links import Link
from aie.records.tables import data_keys

__all__ = ["DataKey", "KeyRow", "Vault", "key_context", "key_mark"]

_NONCE: Final = 12
_CACHED: Final = 4096
_DRAWN: Final = 256


_nonces: Final[deque[bytes]] = deque()
"""Drawn from the system many at a time: each draw lets go of the interpreter. Each is used once."""
os.register_at_fork(after_in_child=_nonces.clear)


def _fresh_nonce() -> bytes:
    while True:
        try:
            return _nonces.popleft()
        except IndexError:
            drawn = secrets.token_bytes(_NONCE * _DRAWN)
            _nonces.extend(drawn[at : at + _NONCE] for at in range(0, len(drawn), _NONCE))


class DataKey:
    """A subject's key.

    Its cipher is made for each use, which takes as long as to seal a payload, 1.7 µs: kept, it holds 2.4 KB that no
    collector sees, for each of thousands of keys.
    """

    __slots__ = ("_key", "id")

    def __init__(self, id_: str, key: bytes) -> None:
        self.id = id_
        self._key = key

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Encrypt for one place."""
        nonce = _fresh_nonce()
        return nonce + AESGCM(self._key).encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Decrypt what was sealed for this place.

        Raises:
            IntegrityError: the bytes were changed or come from another place.
        """
        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
        except InvalidTag as error:
            raise IntegrityError(
                "a sealed payload is not what was written", hints=("run `aie verify` to see what else was changed",)
            ) from error


class Vault:
    """Data keys and keyed hashes. Threads may share it: entries of its caches are only ever added or dropped whole."""

    def __init__(self, keys: KeyProvider) -> None:
        self.provider = keys
        self._macs: dict[tuple[str, str], bytes] = {}
        self._by_id: dict[str, DataKey] = {}
        self._live: dict[tuple[str, str], DataKey] = {}

    def mac_key(self, tenant: str, purpose: str) -> bytes:
        """Return the tenant's key for one purpose."""
        key = self._macs.get((tenant, purpose))
        if key is None:
            key = self._macs[tenant, purpose] = self.provider.mac_key(tenant, purpose)
        return key

    def mac(self, tenant: str, purpose: str, content: bytes) -> str:
        """Return a keyed hash as `hmac:<hex>`."""
        return "hmac:" + keyed_digest(self.mac_key(tenant, purpose), content).hex()

    def ref(self, tenant: str, data: object) -> str:
        """Return the reference of a JSON value."""
        return self.mac(tenant, "ref", canonical(data))

    def live_keys(self, link: Link, tenant: str, subjects: Iterable[str], now: int) -> dict[str, DataKey]:
        """Return the key of each subject, making those that do not exist, within the link's transaction.

        Keys made here enter the cache only through `remember`, once the transaction is durable.
        """
        wanted = set(subjects)
        sql = (
            "SELECT id, tenant, subject, wrapped, created_at FROM data_keys "
            "WHERE tenant = ? AND wrapped IS NOT NULL AND subject {among}"
        )
        rows = [KeyRow(*values) for values in link.fetch(sql, tenant, link.array(wanted))]
        found = {row.subject: self.unwrapped(row) for row in rows}
        made, fresh = self.new_keys(tenant, wanted - found.keys(), now)
        if fresh:
            link.insert(data_keys, fresh)
        return found | made

    def new_keys(
        self, tenant: str, subjects: Iterable[str], now: int
    ) -> tuple[dict[str, DataKey], list[tuple[Any, ...]]]:
        """Return a new key for each subject, and the rows of the table `data_keys` that hold them."""
        made, rows = {}, []
        for subject in sorted(subjects):
            key, id_ = secrets.token_bytes(32), "key_" + secrets.token_hex(12)
            made[subject] = DataKey(id_, key)
            context = key_context(id_, tenant, subject, now)
            mark = key_mark(self.mac_key(tenant, "key"), context)
            rows.append((id_, tenant, subject, self.provider.wrap(tenant, key, context), now, mark))
        return made, rows

    def cached(self, tenant: str, subject: str) -> DataKey | None:
        """Return the subject's key if this process has used it lately."""
        return self._live.get((tenant, subject))

    def remember(self, tenant: str, keys: dict[str, DataKey]) -> None:
        """Keep keys that are durable in the database."""
        if len(self._live) + len(keys) > _CACHED:
            self._live.clear()
            self._by_id.clear()
        for subject, key in keys.items():
            self._live[tenant, subject] = key
            self._by_id[key.id] = key

    def forget(self, tenant: str, subject: str) -> None:
        """Drop a destroyed key from this process."""
        key = self._live.pop((tenant, subject), None)
        if key is not None:
            self._by_id.pop(key.id, None)

    def unwrapped(self, row: "KeyRow | Row[Any]") -> DataKey:
        """Return a key as it stands in a row of the table `data_keys`.

        Raises:
            StoreError: the row is not what this provider wrapped.
        """
        key = self._by_id.get(row.id)
        if key is not None:
            return key
        context = key_context(row.id, row.tenant, row.subject, row.created_at)
        return DataKey(row.id, self.provider.unwrap(row.tenant, bytes(row.wrapped), context))


class KeyRow(NamedTuple):
    """A live row of the table `data_keys`."""

    id: str
    tenant: str
    subject: str
    wrapped: bytes
    created_at: int


def key_context(id_: str, tenant: str, subject: str, created_at: int) -> bytes:
    """Tie a wrapped key to all the columns of its row, so that none can be changed."""
    return canonical([id_, tenant, subject, created_at])


def key_mark(key: bytes, context: bytes) -> bytes:
    """Return what proves that a holder of the tenant's key made the row; it outlives the data key."""
    return keyed_digest(key, context)
