"""Answers leave in the order of the messages, without any I/O."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inference.engine.errors import ModelError
from inference.errors import AuditUnavailable, InsufficientScope
from tests.streaming.sessions import answer, ask, opened, sent

PREDICTION = "0198c0de-0000-7000-8000-000000000000"
FEEDBACK = json.dumps({"type": "feedback", "prediction": PREDICTION, "value": 1.5})


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


def test_what_could_not_be_stored_is_refused_with_a_retryable_error() -> None:
    one = opened()
    slot = ask(one)
    one.refuse(slot, AuditUnavailable())
    (frame,) = sent(one)
    assert (frame["code"], frame["retryable"]) == ("audit_unavailable", True)


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
