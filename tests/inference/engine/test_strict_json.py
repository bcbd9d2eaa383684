"""The strict decoder names what is wrong with a text, and reads good ones as they are."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import strict_json
from inference.engine.errors import InvalidInput

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
def test_json_is_read_as_it_is(value: object) -> None:
    assert strict_json.decode(json.dumps(value)) == value
    assert strict_json.decode(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_name(raw: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        strict_json.decode(raw)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_body"),
        (b"  \n", "empty_body"),
        (b"{", "malformed_json"),
        (b'{"a":1,}', "malformed_json"),
        (b'{"a":1} {"b":2}', "malformed_json"),
        (b"[NaN]", "malformed_json"),
        (b"[-Infinity]", "malformed_json"),
        (b'["\x01"]', "malformed_json"),
        (b"\xef\xbb\xbf{}", "invalid_encoding"),
        ('{"a":1}'.encode("utf-16"), "invalid_encoding"),
        ('{"a":1}'.encode("utf-16-le"), "invalid_encoding"),
        (b'{"a":"\xff"}', "invalid_encoding"),
        (b"[" * 200_000, "too_deep"),
        (b"[" * 17 + b"]" * 17, "too_deep"),
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"x":{"b":1,"b":1}}', "duplicate_key"),
        (b"[" + b"1" * 5000 + b"]", "number_too_long"),
        (json.dumps({str(n): n for n in range(3000)}).encode(), "too_many_fields"),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        strict_json.decode(raw)
    assert refused.value.code == code


def test_sixteen_levels_are_allowed() -> None:
    assert strict_json.decode("[" * 16 + "]" * 16)


def test_a_number_too_large_for_a_float_is_left_to_the_signature() -> None:
    assert strict_json.decode("[1e999]") == [float("inf")]


def test_the_place_is_named() -> None:
    with pytest.raises(InvalidInput, match="2:7"):
        strict_json.decode('{\n  "a" 1}')
