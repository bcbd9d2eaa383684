"""POST …/predict against a real server: what comes back, and that it is what is stored."""

import httpx
import joblib
import numpy as np
import pytest

from tests.faults.stack import ROOT, Stack
from tests.inference.api import valve

SHUTTLE = "/api/v1/endpoints/shuttle-fault/predict"
VALVE = "/api/v1/endpoints/valve/predict"
FAULT = [50, 21, 77, 0, 28, 0, 27, 48, 22]
NORMAL = [53, 0, 82, 0, 52, -5, 29, 30, 2]
NAMES = [f"s{number}" for number in range(1, 10)]


def test_an_instance_by_name_and_one_in_order_get_the_same_output(client: httpx.Client) -> None:
    by_name = client.post(SHUTTLE, json={"features": dict(zip(NAMES, FAULT, strict=True))})
    in_order = client.post(SHUTTLE, json={"features": FAULT})
    assert by_name.status_code == in_order.status_code == 200
    [one], [other] = by_name.json()["predictions"], in_order.json()["predictions"]
    assert one["output"] == other["output"]
    assert one["output"]["label"] == "fault"
    assert one["version"] == "random_forest-1.0.0"
    assert one["stored"] is True
    assert set(one) == {"id", "output", "version", "stored"}


def test_the_answer_equals_scikit_learn(client: httpx.Client) -> None:
    version = ROOT / "artifacts" / "shuttle_fault" / "random_forest" / "1.0.0"
    model = joblib.load(version / "model.joblib")
    expected = model.predict_proba(np.array([NORMAL, FAULT], dtype=np.float32))
    predictions = client.post(SHUTTLE, json={"instances": [NORMAL, FAULT]}).json()["predictions"]
    for prediction, scores in zip(predictions, expected, strict=True):
        by_label = dict(zip(model.classes_, scores, strict=True))
        assert prediction["output"]["scores"] == pytest.approx(by_label, abs=1e-5)


def test_instances_are_answered_in_their_order_and_each_is_stored(client: httpx.Client, stack: Stack) -> None:
    instances = [{**valve.GOOD, "count": count} for count in range(256)]
    answer = client.post(VALVE, json={"instances": instances}).json()
    assert [one["output"]["value"] for one in answer["predictions"]] == list(range(256))
    rows = stack.sql(
        "SELECT id::text, output ->> 'value' FROM inference_prediction WHERE request_id = %s ORDER BY id",
        (answer["request_id"],),
    )
    assert rows == [(one["id"], str(one["output"]["value"])) for one in answer["predictions"]]


def test_an_answer_is_in_the_table_when_it_arrives(client: httpx.Client, stack: Stack) -> None:
    [prediction] = client.post(SHUTTLE, json={"features": FAULT}).json()["predictions"]
    [(output,)] = stack.sql("SELECT output FROM inference_prediction WHERE id = %s", (prediction["id"],))
    assert output == prediction["output"]


def test_another_version_can_be_asked(client: httpx.Client) -> None:
    answer = client.post(SHUTTLE, params={"version": "logistic_regression-1.0.0"}, json={"features": FAULT}).json()
    assert answer["predictions"][0]["version"] == "logistic_regression-1.0.0"


def test_a_value_outside_a_lenient_range_is_answered_with_a_warning(client: httpx.Client, stack: Stack) -> None:
    [prediction] = client.post(VALVE, json={"features": {**valve.GOOD, "load": 11}}).json()["predictions"]
    assert prediction["warnings"] == ["out_of_range:load"]
    [(warnings,)] = stack.sql("SELECT warnings FROM inference_prediction WHERE id = %s", (prediction["id"],))
    assert warnings == ["out_of_range:load"]


def test_escapes_are_read(client: httpx.Client) -> None:
    body = b'{"fe\\u0061tures":{"temp":1,"load":null,"mass":1,"count":3,"serial":1,"site":"\\u006eorth","note":"\\n"}}'
    answer = client.post(VALVE, content=body, headers={"content-type": "application/json"})
    assert answer.json()["predictions"][0]["output"] == {"value": 3}


def test_the_request_id_is_in_the_header_and_the_body(client: httpx.Client) -> None:
    answer = client.post(SHUTTLE, json={"features": FAULT})
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize("audit", ["fast", "off"])
def test_an_endpoint_that_does_not_wait_says_that_nothing_is_stored_yet(
    client: httpx.Client, stack: Stack, audit: str
) -> None:
    def audited() -> str:
        return client.get("/api/v1/endpoints/valve/").json()["audit"]

    stack.sql("UPDATE inference_endpoint SET audit = %s WHERE slug = 'valve'", (audit,))
    try:
        stack.wait_until(lambda: audited() == audit, "the server has seen the policy")
        answer = client.post(VALVE, json={"features": valve.GOOD}).json()
        assert answer["predictions"][0]["stored"] is False
    finally:
        stack.sql("UPDATE inference_endpoint SET audit = 'strict' WHERE slug = 'valve'")
        stack.wait_until(lambda: audited() == "strict", "the server has seen the policy")


def test_a_refused_request_is_counted_and_leaves_no_row(client: httpx.Client, stack: Stack) -> None:
    def counted() -> int:
        [(count,)] = stack.sql("SELECT coalesce(sum(count), 0)::int FROM inference_rejection WHERE code = 'no_rows'")
        return count

    before = counted()
    answer = client.post(SHUTTLE, json={"instances": []})
    assert answer.status_code == 422
    stack.wait_until(lambda: counted() == before + 1, "the refusal is counted")
    assert stack.sql("SELECT 1 FROM inference_prediction WHERE request_id = %s", (answer.json()["request_id"],)) == []
