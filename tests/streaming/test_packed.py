"""Binary frames become the same messages as text frames of the same values, and are refused by the same names."""

import datetime
import json
import math
import re
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from inference.engine.instances import Instance
from inference.engine.signature import Signature
from inference.truth import Truth
from streaming import replies
from streaming.frames import Decoder
from streaming.messages import FAULTS, Message, Ping, Readings, Refused
from streaming.packed import PackedDecoder
from tests.inference.engine.signatures import MIXED, NUMERIC, signatures, values

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
PACKED = PackedDecoder(NUMERIC, lambda: NOW.timestamp())
GOOD: dict[str, Any] = {"s0": 1, "s1": 2.5, "s2": -3}
ID = "0198c0de-0000-7000-8000-000000000000"

packed = msgspec.msgpack.encode
EXTRAS: dict[str, st.SearchStrategy[object]] = {
    "seq": st.integers(-1, 2**53) | st.floats(allow_nan=False) | st.text() | st.booleans(),
    "id": st.text(max_size=70) | st.integers(),
    "subject": st.text(max_size=70) | st.none(),
    "ts": st.floats(allow_nan=False)
    | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat())
    | st.text(),
    "colour": st.none(),
}


def as_json(value: object) -> str:
    """JSON has no infinity; a number too large for any float means it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # But for the word as a text: of those that are tried it is one.
    return re.sub(r'("(?:[^"\\]|\\.)*")|Infinity', lambda found: found[1] or "1e999", text)


def as_msgpack(value: object) -> bytes:
    """MessagePack has no integers beyond 64 bits."""
    try:
        return packed(value)
    except OverflowError:
        reject()


@st.composite
def messages(draw: st.DrawFn, signature: Signature) -> dict[str, object]:
    """Messages of every type: mostly well formed, some not."""

    def reading() -> dict[str, object]:
        by_name = {one.name: draw(values(one)) for one in signature.inputs}
        features: object = draw(st.sampled_from([by_name, list(by_name.values())]))
        extras = draw(st.sets(st.sampled_from(sorted(EXTRAS)), max_size=2))
        return {"features": features, **{name: draw(EXTRAS[name]) for name in extras}}

    kind = draw(st.sampled_from(["reading", "typed", "readings", "feedback", "ping"]))
    if kind == "reading":
        return reading()
    if kind == "typed":
        return {"type": "reading", **reading()}
    if kind == "readings":
        return {"type": "readings", "items": [reading() for _ in range(draw(st.integers(0, 3)))]}
    if kind == "feedback":
        value = draw(st.text() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63) | st.none())
        return {"type": "feedback", "prediction": draw(st.just(ID) | st.text()), "value": value}
    return {"type": "ping", "n": draw(st.none() | st.integers(-(2**63), 2**63) | st.text())}


@given(st.data())
def test_json_and_messagepack_of_the_same_values_are_the_same_message(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    message = data.draw(messages(signature))
    text, binary = Decoder(signature, lambda: 0.0), PackedDecoder(signature, lambda: 0.0)
    assert binary.decode(as_msgpack(message)) == text.decode(as_json(message))


@given(st.data())
def test_the_fast_and_the_slow_way_give_the_same_message(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    message = data.draw(messages(signature))
    decoder = PackedDecoder(signature, lambda: 0.0)
    frame = as_msgpack(message)
    assert decoder.decode(frame) == decoder._explain(frame)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_an_answer_holds_the_same_values_in_both(value: object) -> None:
    text = msgspec.json.encode(value).decode()
    assert msgspec.msgpack.decode(replies.packed(text)) == msgspec.json.decode(text) == value


BAD_SEQS = (0, -1, 1.5, "1", True, None, 2**53, math.nan)
BAD_TIMES = ("2026-11-22T12:00:00", "x", True, None, math.nan, math.inf, 1e300)


def decoded(**message: object) -> Message:
    return PACKED.decode(packed(message))


def test_a_reading_by_name_and_in_order_are_the_same() -> None:
    assert decoded(features=GOOD) == decoded(features=list(GOOD.values())) == Instance((1.0, 2.5, -3.0))


def test_what_a_reading_says_of_itself_is_kept() -> None:
    message = decoded(features=GOOD, seq=17, id="x:9", subject="pump 3", ts="2026-11-22T13:00:00+01:00", type="reading")
    assert message == Instance((1.0, 2.5, -3.0), "x:9", "pump 3", NOW, 17)


def test_a_float_of_32_bits_is_a_number_too() -> None:
    assert PACKED.decode(b"\x81\xa8features\x93\xca\x3f\xc0\x00\x00\x01\x02") == Instance((1.5, 1.0, 2.0))


def test_readings_are_read_whichever_key_comes_first() -> None:
    items = [{"features": GOOD, "seq": 1}, {"features": [1]}]
    first, last = decoded(type="readings", items=items), decoded(items=items, type="readings")
    assert isinstance(first, Readings)
    assert first == last
    assert [type(item) for item in first.items] == [Instance, Refused]


def test_feedback_and_pings_are_read() -> None:
    assert decoded(type="feedback", prediction=ID, value=1.5) == Truth(UUID(ID), 1.5)
    assert decoded(type="ping", n=4) == Ping(4)


def test_the_fast_way_takes_what_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow one would give the same, forty times slower."""
    monkeypatch.setattr(PACKED, "_explain", None)
    for extra in ({}, {"seq": 1}, {"id": "a", "ts": 5.0}, {"type": "reading"}):
        assert isinstance(decoded(features=GOOD, **extra), Instance)
    assert isinstance(decoded(type="readings", items=[{"features": GOOD, "id": "x"}] * 256), Readings)
    row = {"level": 1, "count": None, "kind": None, "serial": 5, "note": "a", "site": "q", "heat": 90}
    decoder = PackedDecoder(MIXED)
    monkeypatch.setattr(decoder, "_explain", None)
    message = decoder.decode(packed({"features": row}))
    assert isinstance(message, Instance)
    assert message.warnings == ("out_of_range:heat",)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", "empty_frame"),
        (b"\xc1", "malformed_msgpack"),
        (packed({"features": [1, 2, 3]})[:-1], "malformed_msgpack"),
        (packed({"features": [1, 2, 3]}) + b"\x01", "malformed_msgpack"),
        (b"\x81\xa8features\xdd\xff\xff\xff\xff", "malformed_msgpack"),
        (b"\xdf\xff\xff\xff\xff", "malformed_msgpack"),
        (b"\x81\xa8features\xc7\x01\x05\x01", "malformed_msgpack"),
        (b"\x82\xa8features\x93\x01\x02\x03\xa2ts\xd6\xff\x00\x00\x00\x05", "malformed_msgpack"),
        (packed({"features": [1, 2, 3], 5: 5}), "malformed_msgpack"),
        (packed({"features": {"s0": 1, "s1": 2, "s2": 3, b"s3": 3}}), "malformed_msgpack"),
        (b"\x91" * 60_000, "malformed_msgpack"),
        (b"\x91" * 60_000 + b"\x01", "too_deep"),
        (packed({"features": {f"k{n}": 1 for n in range(4000)}}), "too_many_fields"),
        (b"\x82\xa8features\x93\x01\x02\x03\xa8features\x93\x01\x02\x04", "duplicate_key"),
        (b"\x81\xa8features\x84\xa2s0\x01\xa2s1\x01\xa2s2\x01\xa2s0\x02", "duplicate_key"),
        (b"\x82\xa4type\xa8readings\xa5items\x91\x82" + b"\xa8features\x93\x01\x02\x03" * 2, "duplicate_key"),
        (packed([]), "not_an_object"),
        (packed(5), "not_an_object"),
        (packed(None), "not_an_object"),
        (packed({"type": "swap"}), "unknown_type"),
        (packed({"type": "websocket.close"}), "unknown_type"),
        (packed({"type": b"reading"}), "unknown_type"),
        (packed({}), "missing_feature"),
        (packed({"features": {"s0": 1, "s1": 2}}), "missing_feature"),
        (packed({"features": {**GOOD, "s3": 4}}), "unknown_feature"),
        (packed({"features": [1, 2]}), "wrong_shape"),
        (packed({"features": 7}), "wrong_shape"),
        (packed({"features": ["1", 2, 3]}), "wrong_type"),
        (packed({"features": [b"1", 2, 3]}), "wrong_type"),
        (packed({"features": [True, 2, 3]}), "wrong_type"),
        (packed({"features": [None, 2, 3]}), "null_not_allowed"),
        (packed({"features": [math.nan, 2, 3]}), "not_finite"),
        (packed({"features": [-math.inf, 2, 3]}), "not_finite"),
        (b"\x81\xa8features\x93\xca\x7f\x80\x00\x00\x01\x02", "not_finite"),
        (packed({"features": [1e39, 2, 3]}), "out_of_range"),
        (packed({"features": [1, 2, 3], "colour": 1}), "unknown_field"),
        *((packed({"features": [1, 2, 3], "seq": seq}), "bad_seq") for seq in BAD_SEQS),
        (packed({"features": [1, 2, 3], "id": 5}), "wrong_type"),
        (packed({"features": [1, 2, 3], "id": "x" * 65}), "string_too_long"),
        (packed({"features": [1, 2, 3], "id": "\x00"}), "invalid_character"),
        (packed({"features": [1, 2, 3], "subject": "a\x00"}), "invalid_character"),
        (b"\x82\xa8features\x93\x01\x02\x03\xa2id\xa3\xed\xa0\x80", "invalid_character"),
        *((packed({"features": [1, 2, 3], "ts": ts}), "bad_timestamp") for ts in BAD_TIMES),
        (packed({"type": "readings"}), "wrong_shape"),
        (packed({"type": "readings", "items": []}), "no_rows"),
        (packed({"type": "readings", "items": [1] * 257}), "too_many_rows"),
        (packed({"type": "readings", "items": [{"features": [1, 2, 3]}], "x": 1}), "unknown_field"),
        (packed({"type": "ping", "n": math.nan}), "wrong_type"),
        (packed({"type": "feedback", "prediction": ID, "value": math.nan}), "not_finite"),
        (packed({"type": "feedback", "prediction": ID, "value": b"normal"}), "bad_label"),
    ],
)
def test_what_can_not_be_served_has_its_code(frame: bytes, code: str) -> None:
    message = PACKED.decode(frame)
    assert isinstance(message, Refused)
    assert message.code == code
    assert message.detail.endswith((".", "…"))


def test_a_number_that_is_not_finite_is_named_by_its_field() -> None:
    message = decoded(features={**GOOD, "s1": math.nan}, seq=9)
    assert isinstance(message, Refused)
    assert (message.code, message.field, message.seq) == ("not_finite", "s1", 9)


@pytest.mark.parametrize(
    ("features", "code"),
    [
        ({"note": "\x00"}, "invalid_character"),
        ({"note": "x" * 257}, "string_too_long"),
        ({"kind": "fan"}, "unknown_category"),
        ({"count": 1.5}, "wrong_type"),
        ({"serial": None}, "null_not_allowed"),
    ],
)
def test_texts_and_categories_are_refused_as_in_json(features: dict[str, object], code: str) -> None:
    row = {"level": 1, "count": 1, "kind": None, "serial": 5, "note": None, "site": "c", "heat": 1, **features}
    for message in (
        PackedDecoder(MIXED).decode(packed({"features": row})),
        Decoder(MIXED).decode(json.dumps({"features": row})),
    ):
        assert isinstance(message, Refused)
        assert message.code == code


def test_a_broken_frame_counts_towards_the_limit() -> None:
    assert "malformed_msgpack" in FAULTS


@given(st.binary(max_size=300))
def test_no_bytes_raise(frame: bytes) -> None:
    PACKED.decode(frame)


@given(PLAIN)
def test_no_message_raises(value: object) -> None:
    PACKED.decode(packed(value))
