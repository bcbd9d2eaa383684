"""Feedback over REST: late, repeated and corrected, one and many, and who may tell."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.faults.stack import Stack
from tests.inference.api import valve
from tests.inference.api.conftest import Key

PREDICT = "/api/v1/endpoints/valve/predict"
SHUTTLE = "/api/v1/endpoints/shuttle-fault/predict"
BATCH = "/api/v1/predictions/feedback"
FAULT = [50, 21, 77, 0, 28, 0, 27, 48, 22]


@pytest.fixture
def teller(client: httpx.Client, key: Key) -> httpx.Client:
    """A client that may predict and tell."""
    client.headers["authorization"] = f"Bearer {key('predict', 'feedback')}"
    return client


def predicted(client: httpx.Client, path: str = PREDICT, features: object = valve.GOOD) -> str:
    [prediction] = client.post(path, json={"features": features}).json()["predictions"]
    return prediction["id"]


def address(prediction: str) -> str:
    return f"/api/v1/predictions/{prediction}/feedback"


def rows(stack: Stack, prediction: str) -> list[tuple[int, object]]:
    select = "SELECT revision, value FROM inference_feedback WHERE prediction_id = %s ORDER BY source, revision"
    return stack.sql(select, (prediction,))


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_what_is_told_is_committed_and_corrected_by_the_next_revision(teller: httpx.Client, stack: Stack) -> None:
    """B64"""
    id_ = predicted(teller)
    answers = [teller.post(address(id_), json={"value": value}) for value in (7, 7.0, 8, 8, 7)]
    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    assert [(one["revision"], one["duplicate"]) for one in bodies] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
        (3, False),
    ]
    for answer, body in zip(answers, bodies, strict=True):
        assert body.pop("request_id") == answer.headers["x-request-id"]
        assert body.keys() == {"prediction", "stored", "duplicate", "revision"}
        assert (body["prediction"], body["stored"]) == (id_, True)
    assert rows(stack, id_) == [(1, 7), (2, 8), (3, 7)]


def test_a_label_and_when_it_was_found_out(teller: httpx.Client, stack: Stack) -> None:
    id_ = predicted(teller, SHUTTLE, FAULT)
    assert teller.post(address(id_), json={"value": "fault", "ts": "2026-11-22T14:00:00+01:00"}).status_code == 200
    ((value, moment, source),) = stack.sql(
        "SELECT value, device_time AT TIME ZONE 'UTC', source FROM inference_feedback WHERE prediction_id = %s", (id_,)
    )
    assert (value, moment.isoformat()) == ("fault", "2026-11-22T13:00:00")
    assert source.startswith("service:service-")


@pytest.mark.parametrize(
    ("path", "features", "value"),
    [
        (PREDICT, valve.GOOD, "fault"),
        (PREDICT, valve.GOOD, True),
        (PREDICT, valve.GOOD, None),
        (PREDICT, valve.GOOD, [1]),
        (SHUTTLE, FAULT, "leak"),
        (SHUTTLE, FAULT, ""),
        (SHUTTLE, FAULT, 1),
        (SHUTTLE, FAULT, "x" * 300),
        (SHUTTLE, FAULT, "\x00"),
    ],
)
def test_what_is_no_possible_answer_is_refused(
    teller: httpx.Client, stack: Stack, path: str, features: object, value: object
) -> None:
    """B63"""
    id_ = predicted(teller, path, features)
    answer = teller.post(address(id_), json={"value": value})
    assert problem(answer) == (422, "bad_label")
    assert answer.json()["errors"][0]["pointer"] == "/value"
    assert rows(stack, id_) == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ("", 400, "empty_body"),
        ('{"value":1', 400, "malformed_json"),
        ('{"value":NaN}', 400, "malformed_json"),
        ('{"value":1e999}', 422, "not_finite"),
        ('{"value":1,"value":2}', 400, "duplicate_key"),
        ("[1]", 422, "not_an_object"),
        ("{}", 422, "bad_label"),
        ('{"value":1,"label":1}', 422, "unknown_field"),
        ('{"value":1,"prediction":"x"}', 422, "unknown_field"),
        ('{"value":1,"ts":"2026-11-22T14:00:00"}', 422, "bad_timestamp"),
        ('{"value":1,"ts":null}', 422, "bad_timestamp"),
        ("[" * 100_000, 400, "too_deep"),
    ],
)
def test_a_body_that_can_not_be_read_has_its_code(teller: httpx.Client, content: str, status: int, code: str) -> None:
    id_ = predicted(teller)
    headers = {"content-type": "application/json"}
    assert problem(teller.post(address(id_), content=content, headers=headers)) == (status, code)
    assert teller.post(address(id_), json={"value": 1}).json()["revision"] == 1


@pytest.mark.parametrize(
    "id_", ["x", "1", "feedback", "6a3c2f0e-9a4b-4c1e-8f5d-2b7c1d9e0a11", "0198c0de-0000-7000-8000-000000000000"]
)
def test_a_prediction_that_is_not_there_is_not_found(teller: httpx.Client, id_: str) -> None:
    assert problem(teller.post(address(id_), json={"value": 1})) == (404, "not_found")


def test_a_prediction_of_another_endpoint_is_as_absent(teller: httpx.Client, stack: Stack, key: Key) -> None:
    id_ = predicted(teller)
    teller.headers["authorization"] = f"Bearer {key('feedback', endpoints=('water-flow',))}"
    assert problem(teller.post(address(id_), json={"value": 1})) == (404, "not_found")
    answer = teller.post(BATCH, json={"feedback": [{"prediction": id_, "value": 1}]})
    assert (answer.status_code, answer.json()["feedback"][0]["code"]) == (207, "not_found")
    assert rows(stack, id_) == []


@pytest.mark.parametrize("path", [address("0198c0de-0000-7000-8000-000000000000"), BATCH])
def test_it_takes_the_scope(client: httpx.Client, key: Key, path: str) -> None:
    client.headers["authorization"] = f"Bearer {key('predict', 'read', 'jobs', 'admin')}"
    answer = client.post(path, json={"value": 1})
    assert problem(answer) == (403, "insufficient_scope")
    assert "`feedback`" in answer.json()["detail"]
    assert problem(client.get(path)) == (405, "method_not_allowed")


def test_of_several_each_is_answered_on_its_own(teller: httpx.Client, stack: Stack) -> None:
    """B62"""
    first, second = predicted(teller), predicted(teller, SHUTTLE, FAULT)
    unknown = str(uuid.uuid4())
    items: list[Any] = [
        {"prediction": first, "value": 7},
        {"prediction": unknown, "value": 7},
        {"prediction": second, "value": "leak"},
        {"prediction": second, "value": "fault"},
        {"prediction": first, "value": 8},
        {"prediction": first, "value": 8},
        {"prediction": first},
        {"prediction": 5, "value": 5},
        {"prediction": "x", "value": 5},
        {"prediction": first, "value": 1, "note": ""},
        7,
    ]
    answer = teller.post(BATCH, json={"feedback": items})
    assert answer.status_code == 207
    told = answer.json()["feedback"]
    assert [(one["status"], one.get("code") or (one["revision"], one["duplicate"])) for one in told] == [
        (200, (1, False)),
        (404, "not_found"),
        (422, "bad_label"),
        (200, (1, False)),
        (200, (2, False)),
        (200, (2, True)),
        (422, "bad_label"),
        (422, "wrong_type"),
        (404, "not_found"),
        (422, "unknown_field"),
        (422, "not_an_object"),
    ]
    assert [one["stored"] for one in told] == [one["status"] == 200 for one in told]
    assert [one.get("pointer") for one in told] == [
        None,
        "/feedback/1/prediction",
        "/feedback/2/value",
        None,
        None,
        None,
        "/feedback/6/value",
        "/feedback/7/prediction",
        "/feedback/8/prediction",
        "/feedback/9/note",
        "/feedback/10",
    ]
    assert told[1]["prediction"] == unknown
    assert rows(stack, first) == [(1, 7), (2, 8)]
    assert rows(stack, second) == [(1, "fault")]


def test_five_hundred_are_taken_and_one_more_is_not(teller: httpx.Client) -> None:
    made = [teller.post(PREDICT, json={"instances": [valve.GOOD] * 250}).json()["predictions"] for _ in range(2)]
    items = [{"prediction": one["id"], "value": 7} for some in made for one in some]
    answer = teller.post(BATCH, json={"feedback": items})
    assert answer.status_code == 200
    assert [one["prediction"] for one in answer.json()["feedback"]] == [item["prediction"] for item in items]
    assert problem(teller.post(BATCH, json={"feedback": [*items, items[0]]})) == (413, "too_many_rows")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"feedback": []}, 422, "no_rows"),
        ({}, 422, "wrong_shape"),
        ({"feedback": {}}, 422, "wrong_shape"),
        ({"feedback": [{}], "x": 1}, 422, "unknown_field"),
        ([], 422, "not_an_object"),
    ],
)
def test_a_list_that_is_none_is_refused_as_a_whole(teller: httpx.Client, body: object, status: int, code: str) -> None:
    assert problem(teller.post(BATCH, json=body)) == (status, code)


def test_corrections_sent_at_the_same_moment_all_count(teller: httpx.Client, stack: Stack) -> None:
    id_ = predicted(teller)

    def tell(value: int) -> int:
        url = f"{teller.base_url}{address(id_)}"
        while True:
            answer = httpx.post(url, json={"value": value}, headers=teller.headers, timeout=20)
            if answer.status_code != 503:  # a server whose disk is slow now may ask for it again
                return answer.json()["revision"]

    with ThreadPoolExecutor(8) as threads:
        revisions = list(threads.map(tell, range(24)))
    assert sorted(revisions) == list(range(1, 25))
    assert sorted(rows(stack, id_)) == sorted(zip(revisions, range(24), strict=True))


@pytest.mark.parametrize("sql", ["UPDATE inference_feedback SET revision = 9", "DELETE FROM inference_feedback"])
def test_nobody_changes_what_was_told(teller: httpx.Client, stack: Stack, sql: str) -> None:
    teller.post(address(predicted(teller)), json={"value": 7})
    with pytest.raises(Exception, match="add a revision"):
        stack.sql(sql)


def test_a_failed_prediction_may_be_told_of(teller: httpx.Client, stack: Stack) -> None:
    failed = teller.post(PREDICT, json={"features": {**valve.GOOD, "count": 5000}}).json()
    [(id_,)] = stack.sql("SELECT id FROM inference_prediction WHERE request_id = %s", (failed["request_id"],))
    assert teller.post(address(str(id_)), json={"value": 5000}).status_code == 200


def test_the_page_s_examples_are_of_this_form(teller: httpx.Client) -> None:
    schema = teller.get("/api/schema/", headers={"accept": "application/json"}).json()
    operation = schema["paths"]["/api/v1/predictions/{id}/feedback"]["post"]
    example = operation["responses"]["200"]["content"]["application/json"]["examples"]["Answer"]["value"]
    answer = teller.post(address(predicted(teller)), json={"value": 7}).json()
    assert example.keys() == answer.keys(), json.dumps(example)
