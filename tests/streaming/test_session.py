"""A session keeps its window, its version and its end, without any I/O."""

import json
from typing import Any

import msgspec

from inference.errors import TokenRevoked
from streaming.session import Served, Session, State
from tests.inference.engine.signatures import MIXED, NUMERIC
from tests.streaming.sessions import READING, answer, ask, opened, sent, session


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


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


def test_a_drain_that_is_cut_tells_when_to_come_back_all_the_same() -> None:
    one = opened()
    ask(one)
    answer(one, ask(one), 1)
    one.drain(500)
    assert sent(one) == []
    one.cut()
    # What is ready leaves, though what was asked before it never will be.
    assert [frame["type"] for frame in sent(one)] == ["prediction", "event"]
    assert one.finished
    assert one.close is not None
    assert (one.close.code, one.close.reason) == (1012, "draining;after_ms=500")


def test_a_session_that_ends_for_another_reason_is_not_cut() -> None:
    one = opened()
    ask(one)
    one.drain(500)
    one.end(TokenRevoked())
    one.cut()
    assert one.close is not None
    assert one.close.code == 4401


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
