"""What a process counts for those who watch it."""

from types import SimpleNamespace

import pytest

from inference import ids
from inference.activity import BUCKETS_S, LATEST, WINDOW_S, Activity
from inference.call import Call, Origin
from inference.callers import Caller
from inference.engine.errors import ModelError
from inference.engine.instances import Instance
from inference.engine.signature import Output
from inference.errors import AuditUnavailable
from inference.models import Source

SHUTTLE, FLOW = 1, 2
CALLER = Caller(1, 1, "boiler-7", "", frozenset(["predict"]), None, None)
LABELS = Output(kind="classification", labels=("normal", "fault"))
VALUE = Output(kind="regression", unit="l/s")
NORMAL = '{"label":"normal","scores":{"normal":0.9,"fault":0.1}}'
FAULT = '{"label":"fault","scores":{"normal":0.2,"fault":0.8}}'


def version(output: Output = LABELS, tag: str = "forest-1.0.0") -> SimpleNamespace:
    return SimpleNamespace(id=hash(tag), tag=tag, signature=SimpleNamespace(output=output))


def settled(
    activity: Activity,
    *outcomes,
    endpoint_id=SHUTTLE,
    by=None,
    source=Source.STREAM,
    caller=CALLER,
    subject=None,
    error=None,
) -> list[str]:
    """Let a call with these outcomes be answered; its predictions' ids."""
    call = Call(
        path=None,
        audit="strict",
        version=by or version(),
        origin=Origin(endpoint_id=endpoint_id, caller=caller, source=source, request_id="r"),
        instances=[Instance(row=(1.0,), subject=subject)] * len(outcomes),
        done=lambda _: None,
        received_at=0.0,
        give_up_at=0.0,
    )
    call.outcomes, call.ids, call.error = outcomes, [ids.prediction_id() for _ in outcomes], error
    activity.settled(call)
    return call.ids


@pytest.fixture
def activity() -> Activity:
    return Activity()


def test_streams_and_rest_are_counted_together(activity):
    settled(activity, NORMAL)
    settled(activity, FAULT, NORMAL, source=Source.REST)
    activity.turn(100)

    picture = activity.endpoint(SHUTTLE)
    assert picture["points"] == [{"at": 100, "predictions": 3, "labels": {"normal": 2, "fault": 1}}]
    assert picture["versions"] == {"forest-1.0.0": 3}
    assert [one["source"] for one in picture["latest"]] == ["stream", "rest", "rest"]


def test_a_second_that_is_under_way_is_not_shown(activity):
    settled(activity, NORMAL)

    assert activity.endpoint(SHUTTLE)["points"] == []


def test_values_are_summed_up(activity):
    for value in ("5", "2.5", "9"):
        settled(activity, f'{{"value":{value}}}', endpoint_id=FLOW, by=version(VALUE))
    activity.turn(100)

    assert activity.endpoint(FLOW)["points"] == [{"at": 100, "predictions": 3, "values": [3, 16.5, 2.5, 9.0, 9.0]}]
    assert activity.endpoint(SHUTTLE)["points"] == []


def test_many_readings_of_one_second_are_all_counted(activity):
    for _ in range(1000):
        settled(activity, NORMAL)
    settled(activity, FAULT)
    activity.turn(100)

    picture = activity.endpoint(SHUTTLE)
    assert picture["points"][0]["labels"] == {"normal": 1000, "fault": 1}
    assert sum(picture["latencies"]) == 1001


def test_the_last_predictions_are_shown_also_of_a_busy_second(activity):
    all_ids = [settled(activity, NORMAL, by=version(tag=f"forest-{number % 2}.0.0"))[0] for number in range(50)]
    all_ids += settled(activity, *[NORMAL] * 4)
    activity.turn(100)
    assert [one["id"] for one in activity.endpoint(SHUTTLE)["latest"]] == all_ids[-LATEST:]

    all_ids += settled(activity, FAULT)
    activity.turn(101)
    assert [one["id"] for one in activity.endpoint(SHUTTLE)["latest"]] == all_ids[-LATEST:]


def test_a_prediction_names_who_asked_also_a_person_but_never_what_a_program_says_of_its_subject(activity):
    person = Caller(None, None, None, "", frozenset(["predict"]), None, None)
    program = Caller(2, None, None, "report", frozenset(["predict"]), None, None)
    settled(activity, NORMAL, subject="a patient")
    settled(activity, NORMAL, source=Source.REST, caller=program, subject="a patient")
    settled(activity, NORMAL, source=Source.CONSOLE, caller=person, subject="user ada")
    activity.turn(100)

    assert [one["who"] for one in activity.endpoint(SHUTTLE)["latest"]] == ["boiler-7", "report", "user ada"]


def test_a_latency_falls_into_the_bucket_that_bounds_it(activity, monkeypatch):
    for now in (0.0004, 0.0005, 0.003, 11):
        monkeypatch.setattr("inference.activity.time", SimpleNamespace(perf_counter=lambda now=now: now))
        settled(activity, NORMAL)
    activity.turn(100)

    latencies = activity.endpoint(SHUTTLE)["latencies"]
    assert len(latencies) == len(BUCKETS_S) + 1
    assert {at: n for at, n in enumerate(latencies) if n} == {0: 2, 3: 1, len(BUCKETS_S): 1}


def test_refusals_are_counted_by_code(activity):
    activity.rejected(SHUTTLE, "out_of_range")
    activity.rejected(SHUTTLE, "out_of_range")
    settled(activity, NORMAL, NORMAL, error=AuditUnavailable())
    settled(activity, NORMAL, ModelError("forest-1.0.0"))
    activity.turn(100)

    picture = activity.endpoint(SHUTTLE)
    assert picture["rejected"] == {"out_of_range": 2, "audit_unavailable": 2, "model_error": 1}
    assert picture["points"][0]["predictions"] == 1
    assert len(picture["latest"]) == 1


def test_a_minute_later_only_the_last_predictions_are_left(activity):
    settled(activity, NORMAL)
    activity.rejected(SHUTTLE, "out_of_range")
    activity.turn(100)
    activity.turn(100 + WINDOW_S - 1)
    assert activity.endpoint(SHUTTLE)["points"]

    activity.turn(100 + WINDOW_S)
    picture = activity.endpoint(SHUTTLE)
    assert picture["points"] == []
    assert picture["rejected"] == {}
    assert sum(picture["latencies"]) == 0
    assert len(picture["latest"]) == 1


def test_versions_are_told_apart(activity):
    settled(activity, NORMAL)
    settled(activity, NORMAL, by=version(tag="forest-1.1.0"))
    activity.turn(100)

    assert activity.endpoint(SHUTTLE)["versions"] == {"forest-1.0.0": 1, "forest-1.1.0": 1}
