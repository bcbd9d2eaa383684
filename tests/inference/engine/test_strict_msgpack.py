"""The strict decoder names what is wrong with a message, and reads good ones as JSON's does."""

import contextlib
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import strict_msgpack
from inference.engine.errors import InvalidInput

packed = msgspec.msgpack.encode
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\x01"


@given(PLAIN)
def test_plain_values_are_read_as_they_are(value: object) -> None:
    assert strict_msgpack.decode(packed(value)) == value


@pytest.mark.parametrize("size", [15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_every_width_of_a_size_is_read(size: int) -> None:
    for value in ("x" * size, b"x" * size, [0] * size):
        assert strict_msgpack.decode(packed(value)) == value
    if size < strict_msgpack.MAX_KEYS:
        many = {str(n): n for n in range(size)}
        assert strict_msgpack.decode(packed(many)) == many


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"\xca\x3f\xc0\x00\x00", 1.5), (b"\xd3" + b"\xff" * 8, -1), (b"\xcc\x05", 5), (b"\xdf\x00\x00\x00\x00", {})],
)
def test_forms_that_few_write_are_read(raw: bytes, value: object) -> None:
    assert strict_msgpack.decode(raw) == value


def test_what_is_not_finite_comes_through_for_the_signature_to_name() -> None:
    value: Any = strict_msgpack.decode(packed([math.nan, math.inf]))
    assert math.isnan(value[0])
    assert value[1] == math.inf


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_msgpack"),
        (b"\xc1", "malformed_msgpack"),
        (packed({"a": 1}) + b"\x01", "malformed_msgpack"),
        (packed({"a": 1})[:-1], "malformed_msgpack"),
        (packed("abc")[:-1], "malformed_msgpack"),
        (b"\xcb\x00", "malformed_msgpack"),
        (b"\xdc\x00", "malformed_msgpack"),
        (b"\xdd\xff\xff\xff\xff", "malformed_msgpack"),
        (b"\xdf\xff\xff\xff\xff", "malformed_msgpack"),
        (b"\xdb\xff\xff\xff\xff", "malformed_msgpack"),
        (b"\xd4\x05\x01", "malformed_msgpack"),
        (b"\xc7\x01\x05\x01", "malformed_msgpack"),
        (b"\xd6\xff\x00\x00\x00\x00", "malformed_msgpack"),
        (packed({1: 1}), "malformed_msgpack"),
        (packed({b"a": 1}), "malformed_msgpack"),
        (b"\x81\x90\x01", "malformed_msgpack"),
        (b"\xa2\xff\xfe", "malformed_msgpack"),
        (b"\x91" * 60_000, "malformed_msgpack"),
        (nested(17), "too_deep"),
        (nested(60_000), "too_deep"),
        (packed({str(n): n for n in range(3000)}), "too_many_fields"),
        (packed([{str(n): n for n in range(50)}] * 50), "too_many_fields"),
        (b"\x82\xa1a\x01\xa1a\x02", "duplicate_key"),
        (b"\x82\xa1a\x01\xa1a", "malformed_msgpack"),
    ],
)
def test_what_is_wrong_has_its_code(raw: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        strict_msgpack.decode(raw)
    assert refusal.value.code == code


def test_sixteen_levels_are_read() -> None:
    assert strict_msgpack.decode(nested(16))


def test_half_a_surrogate_pair_comes_through_for_the_signature_to_name() -> None:
    assert strict_msgpack.decode(b"\xa3\xed\xa0\x80") == "\ud800"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_name(raw: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        strict_msgpack.decode(raw)


@given(st.binary(max_size=60))
def test_what_it_reads_msgspec_reads_to_the_same(raw: bytes) -> None:
    # Halves of surrogate pairs are what msgspec refuses.
    with contextlib.suppress(InvalidInput, UnicodeError):
        value = packed(strict_msgpack.decode(raw), order="deterministic")
        assert value == packed(msgspec.msgpack.decode(raw), order="deterministic")
