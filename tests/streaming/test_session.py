"""A session keeps the order of answers, its window and its end, without any I/O."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.errors import ModelError
from inference.errors import AuditUnavailable, InsufficientScope, TokenRevoked
from streaming.session import Served, Session, Slot, State
from tests.inference.engine.signatures import MIXED, NUMERIC

READING = '{"features":[1,2,3]}'


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def session(**options: Any) -> Session:
    return Session(session_id="s-1", endpoint="flow", audit="strict", served=Served("ridge-1.0.0", NUMERIC), **options)


def opened(**options: Any) -> Session:
    """A session whose hello is sent already."""
    one = session(**options)
    one.frames_to_send()
    return one


def sent(one: Session) -> list[dict[str, Any]]:
    return [json.loads(text) for text in one.frames_to_send()]


def ask(one: Session, text: str = READING) -> Slot:
    slot = one.receive(text)
    assert slot is not None
    return slot


def answer(one: Session, slot: Slot, *values: float, stored: bool = True) -> None:
    one.answer(
        slot,
        ids=[f"id-{value}" for value in values],
        outcomes=[json.dumps({"value": value}) for value in values],
        version="ridge-1.0.0",
        stored=stored,
    )


def test_the_server_speaks_first() -> None:
    (hello,) = sent(session())
    assert hello == {
        "type": "hello",
        "session": "s-1",
        "endpoint": "flow",
        "version": "ridge-1.0.0",
        "signature": NUMERIC.digest,
        "inputs": NUMERIC.to_dict()["inputs"],
        "outputs": {"kind": "regression", "unit": "l/s"},
        "audit": "strict",
        "last_seq": None,
        "limits": {"window": 64, "frame_bytes": 65536, "items": 256, "heartbeat_s": 20},
    }


def test_a_short_hello_leaves_the_signature_to_its_digest() -> None:
    (hello,) = sent(session(short_hello=True))
    assert "inputs" not in hello
    assert "outputs" not in hello
    assert hello["signature"] == NUMERIC.digest


def test_an_answer_carries_what_the_reading_said() -> None:
    one = opened()
    slot = ask(one, '{"features":[1,2,3],"seq":17,"id":"x9"}')
    answer(one, slot, 1.5)
    assert sent(one) == [
        {
            "type": "prediction",
            "id": "id-1.5",
            "output": {"value": 1.5},
            "version": "ridge-1.0.0",
            "stored": True,
            "seq": 17,
            "client_id": "x9",
        }
    ]


@given(st.permutations(range(12)), st.booleans())
def test_answers_leave_in_the_order_of_the_readings(order: list[int], coalesce: bool) -> None:
    one = opened(coalesce=coalesce)
    slots = [ask(one) for _ in order]
    out: list[dict[str, Any]] = []
    for position in order:
        answer(one, slots[position], position)
        for frame in sent(one):
            out += frame["items"] if frame["type"] == "predictions" else [frame]
    assert [frame["output"]["value"] for frame in out] == list(range(12))


def test_an_error_waits_for_its_turn() -> None:
    one = opened()
    slot = ask(one)
    assert one.receive("nonsense") is None
    assert sent(one) == []
    answer(one, slot, 1)
    assert [frame["type"] for frame in sent(one)] == ["prediction", "error"]


def test_a_batch_is_answered_by_one_frame_with_errors_in_place() -> None:
    one = opened()
    item = {"features": [1, 2, 3]}
    slot = ask(one, json.dumps({"type": "readings", "items": [item, {"features": [1]}, item]}))
    one.answer(
        slot, ids=["a", "b"], outcomes=['{"value":1}', ModelError("ridge-1.0.0")], version="ridge-1.0.0", stored=True
    )
    (frame,) = sent(one)
    assert frame["type"] == "predictions"
    assert [(item["type"], item.get("code")) for item in frame["items"]] == [
        ("prediction", None),
        ("error", "wrong_shape"),
        ("error", "model_error"),
    ]


def test_a_batch_of_bad_readings_only_needs_no_prediction() -> None:
    one = opened()
    assert one.receive('{"type":"readings","items":[{"features":[1]}]}') is None
    (frame,) = sent(one)
    assert [item["code"] for item in frame["items"]] == ["wrong_shape"]


def test_a_coalescing_session_joins_answers_that_are_ready_together() -> None:
    one = opened(coalesce=True)
    slots = [ask(one) for _ in range(3)]
    for value, slot in enumerate(slots):
        answer(one, slot, value)
    (frame,) = sent(one)
    assert [item["output"]["value"] for item in frame["items"]] == [0, 1, 2]


def test_reading_stops_at_the_window_and_starts_again_at_half_of_it() -> None:
    one = opened(window=4)
    slots = [ask(one) for _ in range(4)]
    assert not one.readable
    answer(one, slots[0], 0)
    sent(one)
    assert one.readable
    assert not one.refreshed
    answer(one, slots[1], 1)
    sent(one)
    assert one.refreshed


def test_answers_that_are_not_sent_yet_take_their_places_in_the_window() -> None:
    one = opened(window=2)
    for _ in range(2):
        one.receive("nonsense")
    assert not one.readable
    sent(one)
    assert one.readable


def test_a_pause_is_told_at_once_and_stops_reading() -> None:
    one = opened()
    slot = ask(one)
    one.pause("audit_unavailable")
    assert sent(one) == [{"type": "event", "event": "paused", "reason": "audit_unavailable"}]
    assert not one.readable
    one.resume()
    answer(one, slot, 1)
    assert [frame["type"] for frame in sent(one)] == ["event", "prediction"]
    assert one.readable


def test_a_pause_that_takes_too_long_closes_with_1013() -> None:
    one = opened()
    ask(one)
    one.pause("audit_unavailable")
    one.give_up(700)
    sent(one)
    assert one.finished
    assert one.close is not None
    assert (one.close.code, one.close.reason) == (1013, "audit_unavailable;after_ms=700")


def test_a_drain_answers_what_is_in_flight_then_closes_with_1012() -> None:
    one = opened()
    slot = ask(one)
    one.drain(500)
    assert not one.readable
    assert sent(one) == []
    assert not one.finished
    answer(one, slot, 1)
    assert [frame["type"] for frame in sent(one)] == ["prediction", "event"]
    assert one.finished
    assert one.close is not None
    assert one.close.code == 1012


def test_a_revoked_credential_ends_the_session_even_while_it_drains() -> None:
    one = opened()
    ask(one)
    one.drain(500)
    one.end(TokenRevoked())
    assert sent(one)[-1]["code"] == "token_revoked"
    assert one.close is not None
    assert one.close.code == 4401
    assert one.finished


def test_an_answer_after_the_end_is_dropped() -> None:
    one = opened()
    slot = ask(one)
    one.end(TokenRevoked())
    sent(one)
    answer(one, slot, 1)
    assert sent(one) == []


def test_what_could_not_be_stored_is_refused_with_a_retryable_error() -> None:
    one = opened()
    slot = ask(one)
    one.refuse(slot, AuditUnavailable())
    (frame,) = sent(one)
    assert (frame["code"], frame["retryable"]) == ("audit_unavailable", True)


def test_another_version_is_told_in_order() -> None:
    one = opened()
    slot = ask(one)
    one.serve(Served("ridge-1.1.0", NUMERIC))
    answer(one, slot, 1)
    frames = sent(one)
    assert [frame["type"] for frame in frames] == ["prediction", "event"]
    assert frames[1] == {"type": "event", "event": "version_changed", "version": "ridge-1.1.0"}


def test_another_signature_is_told_with_its_inputs_and_asked_from_then_on() -> None:
    one = opened()
    one.serve(Served("ridge-2.0.0", MIXED))
    (event,) = sent(one)
    assert event["event"] == "schema_changed"
    assert event["inputs"] == MIXED.to_dict()["inputs"]
    assert one.receive(READING) is None
    assert sent(one)[0]["code"] == "wrong_shape"


def test_the_same_version_again_is_no_event() -> None:
    one = opened()
    one.serve(Served("ridge-1.0.0", NUMERIC))
    assert sent(one) == []


def test_twenty_protocol_faults_in_a_minute_close_with_1008() -> None:
    clock = Time()
    one = opened(monotonic=clock)
    for _ in range(19):
        one.receive("nonsense")
    assert one.state is State.OPEN
    one.receive("nonsense")
    assert sent(one)[-1]["code"] == "too_many_errors"
    assert one.close is not None
    assert one.close.code == 1008


def test_protocol_faults_a_minute_apart_are_forgiven() -> None:
    clock = Time()
    one = opened(monotonic=clock)
    for _ in range(100):
        one.receive("nonsense")
        sent(one)
        clock.now += 3.5
    assert one.state is State.OPEN


def test_a_broken_sensor_is_counted_and_never_expelled() -> None:
    one = opened()
    for _ in range(100):
        one.receive('{"features":[1,2,1e39]}')
        sent(one)
    assert one.state is State.OPEN
    assert one.rejected == ["out_of_range"] * 100


def test_a_binary_frame_ends_a_json_session_with_1003() -> None:
    one = opened()
    one.receive(b"\x80")
    assert sent(one)[0]["code"] == "unsupported_frame"
    assert one.close is not None
    assert one.close.code == 1003


def test_an_empty_binary_frame_is_an_empty_frame() -> None:
    one = opened()
    one.receive(b"")
    assert sent(one)[0]["code"] == "empty_frame"
    assert one.readable


# ---- Feedback -------------------------------------------------------------------------------------------------------

PREDICTION = "0198c0de-0000-7000-8000-000000000000"
FEEDBACK = json.dumps({"type": "feedback", "prediction": PREDICTION, "value": 1.5})


def test_feedback_takes_its_turn_in_the_order_of_answers() -> None:
    one = opened()
    first = ask(one)
    told = ask(one, FEEDBACK)
    assert told.truth is not None
    assert (str(told.truth.prediction), told.truth.value) == (PREDICTION, 1.5)
    one.told(told, duplicate=False)
    assert sent(one) == []
    answer(one, first, 1)
    assert [frame["type"] for frame in sent(one)] == ["prediction", "feedback"]


def test_feedback_is_answered_by_whether_it_was_said_before() -> None:
    one = opened()
    slot = ask(one, FEEDBACK)
    one.told(slot, duplicate=True)
    assert sent(one) == [{"type": "feedback", "prediction": PREDICTION, "stored": True, "duplicate": True}]


def test_feedback_that_can_not_be_stored_is_refused_and_the_socket_stays_open() -> None:
    one = opened()
    slot = ask(one, FEEDBACK)
    one.refuse(slot, InsufficientScope("feedback"))
    (frame,) = sent(one)
    assert (frame["type"], frame["code"]) == ("error", "insufficient_scope")
    assert one.readable


def test_feedback_takes_a_place_in_the_window() -> None:
    one = opened(window=1)
    slot = ask(one, FEEDBACK)
    assert not one.readable
    one.told(slot, duplicate=False)
    sent(one)
    assert one.readable


def test_feedback_is_not_joined_with_predictions() -> None:
    one = opened(coalesce=True)
    slots = [ask(one), ask(one), ask(one, FEEDBACK), ask(one)]
    for value in (0, 1, 3):
        answer(one, slots[value], value)
    one.told(slots[2], duplicate=False)
    assert [frame["type"] for frame in sent(one)] == ["predictions", "feedback", "prediction"]


# ---- MessagePack ----------------------------------------------------------------------------------------------------


def frames(one: Session) -> list[dict[str, Any]]:
    """What a MessagePack session sends."""
    out = one.frames_to_send()
    assert all(isinstance(frame, bytes) for frame in out)
    return [msgspec.msgpack.decode(frame) for frame in out]


def test_a_messagepack_session_says_the_same_in_binary_frames() -> None:
    text, binary = session(), session(packed=True)
    assert sent(text) == frames(binary)
    message = {"features": [1, 2, 3], "seq": 4, "id": "é"}
    slots = [ask(text, json.dumps(message)), binary.receive(msgspec.msgpack.encode(message))]
    for one, slot in zip((text, binary), slots, strict=True):
        assert slot is not None
        answer(one, slot, 0.1)
        one.serve(Served("ridge-2.0.0", MIXED))
    assert sent(text) == frames(binary)
    assert binary.receive(msgspec.msgpack.encode({"features": [1, 2, 3]})) is None
    assert frames(binary)[0]["code"] == "wrong_shape"


def test_a_text_frame_ends_a_messagepack_session_with_1003() -> None:
    one = session(packed=True)
    one.receive(READING)
    assert frames(one)[-1]["code"] == "unsupported_frame"
    assert one.close is not None
    assert one.close.code == 1003


def test_empty_frames_of_either_kind_are_empty_frames() -> None:
    one = session(packed=True)
    frames(one)
    for empty in (b"", ""):
        one.receive(empty)
        assert frames(one)[0]["code"] == "empty_frame"
    assert one.readable


def test_twenty_frames_that_are_no_messagepack_close_with_1008() -> None:
    one = session(packed=True)
    for _ in range(20):
        one.receive(b"\xc1")
    assert frames(one)[-1]["code"] == "too_many_errors"
    assert one.close is not None
    assert one.close.code == 1008
