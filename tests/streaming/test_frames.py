"""Frames become typed messages, and what can't be served has its code."""

import datetime
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.instances import Instance
from inference.truth import Truth
from streaming.frames import Decoder
from streaming.messages import Ping, Readings, Refused
from tests.inference.engine.signatures import MIXED, NUMERIC, signatures, values

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
DECODER = Decoder(NUMERIC, lambda: NOW.timestamp())
ID = "0198c0de-0000-7000-8000-000000000000"
GOOD: dict[str, Any] = {"s0": 1, "s1": 2.5, "s2": -3}


def decode(**message: object) -> object:
    return DECODER.decode(json.dumps(message))


@given(st.data())
def test_the_fast_and_the_slow_way_give_the_same_message(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    decoder = Decoder(signature, lambda: NOW.timestamp())
    reading: dict[str, object] = {"features": {one.name: data.draw(values(one)) for one in signature.inputs}}
    extras = {
        "seq": st.integers(-1, 2**53),
        "id": st.text(max_size=70),
        "subject": st.text(max_size=70),
        "ts": st.floats(allow_nan=False) | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    }
    for name in data.draw(st.sets(st.sampled_from(sorted(extras)))):
        reading[name] = data.draw(extras[name])
    for message in (reading, {"type": "readings", "items": [reading, reading]}):
        compact = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace").decode()
        # The escaped backslash sends the second text the slow way.
        spaced = compact[:-1].replace('"features"', '"f\\u0065atures"') + "}"
        assert decoder.decode(compact) == decoder.decode(spaced)


def test_a_reading_by_name_and_in_order_are_the_same() -> None:
    assert decode(features=GOOD) == decode(features=list(GOOD.values())) == Instance((1.0, 2.5, -3.0))


def test_what_a_reading_says_of_itself_is_kept() -> None:
    message = decode(features=GOOD, seq=17, id="x:9", subject="pump 3", ts="2026-11-22T13:00:00+01:00", type="reading")
    assert message == Instance((1.0, 2.5, -3.0), "x:9", "pump 3", NOW, 17)


def test_unix_seconds_are_a_time_too() -> None:
    message = decode(features=GOOD, ts=NOW.timestamp())
    assert isinstance(message, Instance)
    assert message.device_time == NOW


@pytest.mark.parametrize("days", [-400, 2])
def test_a_clock_far_off_is_suspect(days: int) -> None:
    message = decode(features=GOOD, ts=(NOW + datetime.timedelta(days=days)).isoformat())
    assert isinstance(message, Instance)
    assert message.warnings == ("clock_suspect",)


def test_a_lenient_range_warns() -> None:
    features = {"level": 1, "count": 1, "kind": None, "serial": 5, "note": None, "site": "q", "heat": 90}
    message = Decoder(MIXED).decode(json.dumps({"features": features}))
    assert isinstance(message, Instance)
    assert message.warnings == ("out_of_range:heat",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_frame"),
        ("{", "malformed_json"),
        ('{"features":[1,2,NaN]}', "malformed_json"),
        ('{"features":[1,2,3]} {}', "malformed_json"),
        ("[]", "not_an_object"),
        ("5", "not_an_object"),
        ('"s"', "not_an_object"),
        ("null", "not_an_object"),
        ('{"type":"swap"}', "unknown_type"),
        ('{"type":"websocket.close"}', "unknown_type"),
        ('{"type":"model.swap"}', "unknown_type"),
        ('{"type":"_x"}', "unknown_type"),
        ('{"type":5}', "unknown_type"),
        ("[" * 30_000, "too_deep"),
        (json.dumps({"features": {f"k{n}": 1 for n in range(4000)}}), "too_many_fields"),
        ('{"features":[1,2,3],"features":[1,2,4]}', "duplicate_key"),
        ('{"features":{"s0":1,"s1":2,"s2":3,"s0":4}}', "duplicate_key"),
        ("{}", "missing_feature"),
        ('{"features":{"s0":1,"s1":2}}', "missing_feature"),
        ('{"features":{"s0":1,"s1":2,"s2":3,"s3":4}}', "unknown_feature"),
        ('{"features":[1,2]}', "wrong_shape"),
        ('{"features":[[1,2,3]]}', "wrong_shape"),
        ('{"features":7}', "wrong_shape"),
        ('{"features":["1",2,3]}', "wrong_type"),
        ('{"features":[true,2,3]}', "wrong_type"),
        ('{"features":[null,2,3]}', "null_not_allowed"),
        ('{"features":[1e999,2,3]}', "not_finite"),
        ('{"features":[1e39,2,3]}', "out_of_range"),
        ('{"features":[' + "1" * 5000 + ",2,3]}", "number_too_long"),
        ('{"features":[1,2,3],"colour":1}', "unknown_field"),
        ('{"features":[1,2,3],"seq":0}', "bad_seq"),
        ('{"features":[1,2,3],"seq":-1}', "bad_seq"),
        ('{"features":[1,2,3],"seq":1.5}', "bad_seq"),
        ('{"features":[1,2,3],"seq":"1"}', "bad_seq"),
        ('{"features":[1,2,3],"seq":true}', "bad_seq"),
        ('{"features":[1,2,3],"seq":null}', "bad_seq"),
        ('{"features":[1,2,3],"seq":9007199254740992}', "bad_seq"),
        ('{"features":[1,2,3],"id":5}', "wrong_type"),
        ('{"features":[1,2,3],"id":"' + "x" * 65 + '"}', "string_too_long"),
        ('{"features":[1,2,3],"subject":"\\u0000"}', "invalid_character"),
        ('{"features":[1,2,3],"subject":"\\ud800"}', "invalid_character"),
        ('{"features":[1,2,3],"ts":"2026-11-22T12:00:00"}', "bad_timestamp"),
        ('{"features":[1,2,3],"ts":"0000-11-22T12:00:00Z"}', "bad_timestamp"),
        ('{"features":[1,2,3],"ts":"yesterday"}', "bad_timestamp"),
        ('{"features":[1,2,3],"ts":1e300}', "bad_timestamp"),
        ('{"features":[1,2,3],"ts":true}', "bad_timestamp"),
        ('{"type":"readings"}', "wrong_shape"),
        ('{"type":"readings","items":{}}', "wrong_shape"),
        ('{"type":"readings","items":[]}', "no_rows"),
        ('{"type":"readings","items":[' + "1," * 256 + "1]}", "too_many_rows"),
        ('{"type":"readings","items":[{"features":[1,2,3]}],"x":1}', "unknown_field"),
        ('{"type":"ping","n":"x"}', "wrong_type"),
        ('{"type":"feedback","value":1}', "wrong_type"),
        ('{"type":"feedback","prediction":"x","value":1}', "not_found"),
        (f'{{"type":"feedback","prediction":"{ID}"}}', "bad_label"),
        (f'{{"type":"feedback","prediction":"{ID}","value":true}}', "bad_label"),
        (f'{{"type":"feedback","prediction":"{ID}","value":1e999}}', "not_finite"),
        (f'{{"type":"feedback","prediction":"{ID}","value":1,"ts":"x"}}', "bad_timestamp"),
        (f'{{"type":"feedback","prediction":"{ID}","value":1,"seq":1}}', "unknown_field"),
    ],
)
def test_what_can_not_be_served_has_its_code(text: str, code: str) -> None:
    message = DECODER.decode(text)
    assert isinstance(message, Refused)
    assert message.code == code
    assert message.detail.endswith((".", "…"))


def test_a_refused_reading_keeps_its_seq_and_names_its_field() -> None:
    assert decode(features={"s0": 1, "s1": 2}, seq=9) == Refused(
        "missing_feature", "`s2` is required (float).", "s2", 9
    )


def test_a_bad_item_stands_in_its_place() -> None:
    message = decode(type="readings", items=[{"features": GOOD}, {"features": [1]}, 5])
    assert isinstance(message, Readings)
    assert [item.code if isinstance(item, Refused) else "ok" for item in message.items] == [
        "ok",
        "wrong_shape",
        "not_an_object",
    ]


def test_a_ping_is_a_ping() -> None:
    assert decode(type="ping", n=4) == Ping(4)
    assert decode(type="ping") == Ping(None)


def test_feedback_is_a_truth_told() -> None:
    message = decode(type="feedback", prediction=ID, value="fault", ts=NOW.isoformat())
    assert message == Truth(UUID(ID), "fault", NOW)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    DECODER.decode(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["type", "features", "items", "seq", "id", "ts", "n"]), x)
        ),
    )
)
def test_no_json_raises(value: object) -> None:
    DECODER.decode(json.dumps(value))
