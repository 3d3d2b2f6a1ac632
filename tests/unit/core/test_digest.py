"""Canonical JSON, and keyed digests: every reference and every salt of the records is one."""

import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aie.core import canonical, keyed_digest
from aie.errors import InputError


@given(key=st.binary(max_size=200), content=st.binary(max_size=5_000))
def test_a_keyed_digest_is_the_hmac_of_the_standard(key: bytes, content: bytes) -> None:
    """Whatever the length of key and content; a key longer than a block is hashed first."""
    assert keyed_digest(key, content) == hmac.digest(key, content, "sha256")


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
    max_leaves=20,
)


def _by_the_standard(value: object) -> object:
    """Put the keys of objects into the order of their UTF-16 code units (RFC 8785, 3.2.3)."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: _by_the_standard(value[key]) for key in keys}
    return [_by_the_standard(each) for each in value] if isinstance(value, list) else value


@given(value=_VALUES)
def test_canonical_json_is_what_another_encoder_writes_with_keys_in_the_order_of_the_standard(value: object) -> None:
    """Digests of years ago were made with that one."""
    text = json.dumps(_by_the_standard(value), ensure_ascii=False, separators=(",", ":"))
    assert canonical(value) == text.encode()


@pytest.mark.parametrize("high", ["\U00010000", "\U0004ffff", "\U00080000", "\U000c0000", "\U0010ffff"])
def test_a_key_of_two_code_units_stands_before_the_last_ones_of_one(high: str) -> None:
    """There the order of UTF-16 is not that of code points, by which the encoder sorts; drawn keys seldom show it."""
    assert canonical([{"\uffff": 1, high: 2, "a": "\xe4"}]) == f'[{{"a":"\xe4","{high}":2,"\uffff":1}}]'.encode()


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, {"\ud800": 1}, [{"a": {"\udfff": "b"}}]])
def test_a_lone_surrogate_has_no_canonical_form_wherever_it_stands(value: object) -> None:
    """Neither in a text nor in a key, whose order is that of UTF-16."""
    with pytest.raises(InputError, match="lone surrogate"):
        canonical(value)
