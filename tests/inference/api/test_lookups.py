"""Endpoints and stored predictions, read over REST, and who may see which."""

import datetime
import uuid

import httpx
import pytest

from tests.faults.stack import Stack
from tests.inference.api import valve
from tests.inference.api.conftest import Key

PREDICT = "/api/v1/endpoints/valve/predict"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_the_list_shows_the_endpoints_of_the_credential(client: httpx.Client, key: Key) -> None:
    everything = client.get("/api/v1/endpoints/").json()["endpoints"]
    assert [one["endpoint"] for one in everything] == ["idle", "shuttle-fault", "valve", "water-flow"]
    some = client.get("/api/v1/endpoints/", headers=bearer(key("read", endpoints=("valve",)))).json()["endpoints"]
    assert [one["endpoint"] for one in some] == ["valve"]
    assert some[0] == {
        "endpoint": "valve",
        "name": "Valve",
        "description": "",
        "audit": "strict",
        "champion": "table-1.0.0",
        "reason": None,
    }


def test_an_endpoint_shows_its_signature_and_versions(client: httpx.Client) -> None:
    detail = client.get("/api/v1/endpoints/valve/").json()
    assert detail["signature"] == valve.SIGNATURE.to_dict() | {"digest": valve.SIGNATURE.digest}
    assert detail["features_schema"] == valve.SIGNATURE.json_schema()
    assert [version["tag"] for version in detail["versions"]] == ["table-1.0.0"]
    shuttle = client.get("/api/v1/endpoints/shuttle-fault/").json()
    assert {"name", "dtype", "unit", "min", "max"} <= set(shuttle["signature"]["inputs"][0])
    assert [version["tag"] for version in shuttle["versions"]] == [
        "gradient_boosting-1.0.0",
        "logistic_regression-1.0.0",
        "random_forest-1.0.0",
    ]


def test_an_endpoint_without_a_version_shows_its_signature_and_why(client: httpx.Client) -> None:
    detail = client.get("/api/v1/endpoints/idle/").json()
    assert detail["champion"] is None
    assert detail["reason"] == "no version is deployed"
    assert detail["signature"] == valve.SIGNATURE.to_dict() | {"digest": valve.SIGNATURE.digest}
    assert detail["features_schema"] == valve.SIGNATURE.json_schema()
    assert detail["versions"] == []


def test_a_stored_prediction_is_found_by_its_id(client: httpx.Client) -> None:
    features = {**valve.GOOD, "note": None, "load": 12}
    made = client.post(PREDICT, json={"features": features}).json()
    [prediction] = made["predictions"]
    found = client.get(f"/api/v1/predictions/{prediction['id']}").json()
    predicted_at = datetime.datetime.fromisoformat(found.pop("predicted_at"))
    assert abs(datetime.datetime.now(datetime.UTC) - predicted_at) < datetime.timedelta(minutes=1)
    assert found == {
        "id": prediction["id"],
        "endpoint": "valve",
        "version": "table-1.0.0",
        "features": features,
        "output": {"value": 7},
        "error": None,
        "warnings": ["out_of_range:load"],
        "source": "rest",
        "device": None,
        "request_id": made["request_id"],
        "client_id": None,
        "subject": None,
        "device_time": None,
        "stored": True,
    }


def test_a_failed_prediction_shows_its_error(client: httpx.Client, stack: Stack) -> None:
    problem = client.post(PREDICT, json={"features": {**valve.GOOD, "count": 5000}}).json()
    [(id_,)] = stack.sql("SELECT id FROM inference_prediction WHERE request_id = %s", (problem["request_id"],))
    found = client.get(f"/api/v1/predictions/{id_}").json()
    assert (found["output"], found["error"]) == (None, "model_error")


def test_a_prediction_of_another_endpoint_is_as_absent(client: httpx.Client, key: Key) -> None:
    """B20"""
    [prediction] = client.post(PREDICT, json={"features": valve.GOOD}).json()["predictions"]
    headers = bearer(key("read", endpoints=("water-flow",)))
    answers = [
        client.get(f"/api/v1/predictions/{id_}", headers=headers).json() for id_ in (prediction["id"], uuid.uuid4())
    ]
    for answer in answers:
        assert answer.pop("request_id")
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "not_found"
    allowed = client.get(f"/api/v1/predictions/{prediction['id']}", headers=bearer(key("read", endpoints=("valve",))))
    assert allowed.status_code == 200


@pytest.mark.parametrize("id_", ["x", "1", "0198c0de-0000-7000-8000", "%00", "'; DROP TABLE inference_prediction", "٣"])
def test_an_id_that_is_none_is_not_found(client: httpx.Client, id_: str) -> None:
    """B43"""
    answer = client.get(f"/api/v1/predictions/{id_}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_head_says_what_get_would(client: httpx.Client) -> None:
    got, headed = client.get("/api/v1/endpoints/"), client.head("/api/v1/endpoints/")
    assert headed.status_code == 200
    assert headed.content == b""
    assert headed.headers["content-length"] == got.headers["content-length"]


def test_what_is_read_is_not_kept_by_caches(client: httpx.Client) -> None:
    assert client.get("/api/v1/endpoints/").headers["cache-control"] == "no-store"
