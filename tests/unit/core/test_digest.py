"""Keyed digests: every reference and every salt of the records is one."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.core import canonical, keyed_digest
from aie.errors import InputError


@given(key=st.binary(max_size=200), content=st.binary(max_size=5_000))
def test_a_keyed_digest_is_the_hmac_of_the_standard(key: bytes, content: bytes) -> None:
    """Whatever the length of key and content; a key longer than a block is hashed first."""
    assert keyed_digest(key, content) == hmac.digest(key, content, "sha256")


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, {"\ud800": 1}, [{"a": {"\udfff": "b"}}]])
def test_a_lone_surrogate_has_no_canonical_form_wherever_it_stands(value: object) -> None:
    """Neither in a text nor in a key, whose order is that of UTF-16."""
    with pytest.raises(InputError, match="lone surrogate"):
        canonical(value)
