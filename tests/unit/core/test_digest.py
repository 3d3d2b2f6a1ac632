"""Keyed digests: every reference and every salt of the records is one."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from aie.core import keyed_digest


@given(key=st.binary(max_size=200), content=st.binary(max_size=5_000))
def test_a_keyed_digest_is_the_hmac_of_the_standard(key: bytes, content: bytes) -> None:
    """Whatever the length of key and content; a key longer than a block is hashed first."""
    assert keyed_digest(key, content) == hmac.digest(key, content, "sha256")
