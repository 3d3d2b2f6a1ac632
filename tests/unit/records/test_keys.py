"""Keys: kept by their owner, tied to their tenant, the same after a restart."""

import json
from pathlib import Path

import pytest

from aie.errors import IntegrityError, StoreError
from aie.records import MemoryKeys, PlainKeys
from aie.records.chain import signed_by
from aie.records.vault import DataKey, Vault


def test_the_key_file_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    """The second to open gets the same keys; nothing else is left in the folder."""
    path = tmp_path / "new" / "keys.json"
    one, two = PlainKeys(path), PlainKeys(path)
    assert one.mac_key("acme", "ref") == two.mac_key("acme", "ref")
    assert one.public_key() == two.public_key()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"root": 5}', '{"root": "zz"}', json.dumps({"root": "00"})])
def test_a_key_file_that_is_none_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    """Overwriting it would lose every payload."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(StoreError):
        PlainKeys(path)
    assert path.read_text() == content


def test_a_wrapped_key_opens_only_in_its_place() -> None:
    """Not for another tenant, context or provider."""
    keys = MemoryKeys()
    wrapped = keys.wrap("acme", b"k" * 32, b"here")
    assert keys.unwrap("acme", wrapped, b"here") == b"k" * 32
    for provider, tenant, context in (
        (keys, "globex", b"here"),
        (keys, "acme", b"there"),
        (MemoryKeys(), "acme", b"here"),
    ):
        with pytest.raises(StoreError):
            provider.unwrap(tenant, wrapped, context)
    with pytest.raises(StoreError):
        keys.unwrap("acme", b"short", b"here")


def test_a_sealed_payload_opens_only_in_its_place() -> None:
    """Moved to another event, or with one bit changed, it is refused."""
    key = DataKey("key_1", b"k" * 32)
    sealed = key.seal(b"words", b"run_1#1")
    assert key.open(sealed, b"run_1#1") == b"words"
    with pytest.raises(IntegrityError):
        key.open(sealed, b"run_1#2")
    with pytest.raises(IntegrityError):
        key.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"run_1#1")
    assert key.seal(b"words", b"run_1#1") != sealed, "a nonce is never used twice"


def test_references_are_equal_within_a_tenant_and_purpose_only() -> None:
    """Nobody without the key can link them."""
    vault = Vault(MemoryKeys())
    assert vault.ref("acme", {"b": 1, "a": 2}) == vault.ref("acme", {"a": 2, "b": 1})
    assert vault.ref("acme", 1) != vault.ref("globex", 1)
    assert vault.mac("acme", "ref", b"1") != vault.mac("acme", "blob", b"1")
    assert Vault(MemoryKeys()).ref("acme", 1) != vault.ref("acme", 1)


def test_a_signature_fits_its_message_and_key() -> None:
    """And nothing else."""
    keys = MemoryKeys()
    signature = keys.sign(b"head")
    assert signed_by(keys.public_key(), b"head", signature)
    assert not signed_by(keys.public_key(), b"other", signature)
    assert not signed_by(MemoryKeys().public_key(), b"head", signature)
    assert not signed_by(b"no key", b"head", signature)
