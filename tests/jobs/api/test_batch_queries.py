"""Batch jobs over REST that ask for stored predictions, and their reports."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings

from inference.engine.store import FolderStore
from inference.models import Endpoint
from inference.services import device_create, release_deploy
from jobs.batch import work as batch
from jobs.models import BatchJob
from tests.inference import tiny
from tests.jobs.api.batches import BATCH, CSV, FLOW, NOBODY, SHEET, upload
from tests.jobs.api.refusals import checked

pytestmark = pytest.mark.usefixtures("small_chunks_in_an_empty_storage")


def test_only_a_query_has_a_report(jobs: httpx.Client) -> None:
    checked(jobs.get(f"{BATCH}{upload(jobs)['id']}/report"), 404, "not_found")


def test_a_query_job_is_asked_for_in_json(jobs: httpx.Client) -> None:
    said = {"endpoint": "flow", "query": {"since": "2026-01-01T00:00:00Z", "version": "line-1.0.0", "limit": 10}}
    answer = jobs.post(BATCH, json=said)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert (job["kind"], job["format"], job["file"], job["query"]["limit"]) == ("query", "ndjson", None, 10)
    checked(jobs.get(f"{BATCH}{job['id']}/report"), 409, "job_state")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 422, "wrong_type", "/endpoint"),
        ({"endpoint": "flow"}, 422, "wrong_type", "/query"),
        ({"endpoint": 5, "query": {}}, 422, "wrong_type", "/endpoint"),
        ({"endpoint": "flow", "query": []}, 422, "not_an_object", "/query"),
        ({"endpoint": "flow", "query": {}}, 422, "wrong_type", "/query/since"),
        ({"endpoint": "flow", "query": {"since": "today"}}, 422, "bad_timestamp", "/query/since"),
        ({"endpoint": "flow", "query": {"since": 1, "until": 1}}, 422, "out_of_range", "/query/since"),
        ({"endpoint": "flow", "query": {"since": 1, "limit": 0}}, 422, "out_of_range", "/query/limit"),
        ({"endpoint": "flow", "query": {"since": 1, "limit": True}}, 422, "wrong_type", "/query/limit"),
        ({"endpoint": "flow", "query": {"since": 1, "where": "1=1"}}, 422, "unknown_field", "/query/where"),
        ({"endpoint": "flow", "query": {"since": 1}, "name": "x"}, 422, "unknown_field", "/name"),
        ({"endpoint": "flow", "query": {"since": 1, "version": "line-9.9.9"}}, 404, "unknown_endpoint", None),
        ({"endpoint": "nosuch", "query": {"since": 1}}, 404, "unknown_endpoint", None),
    ],
)
def test_a_query_that_cannot_be_asked_is_refused(
    jobs: httpx.Client, body: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    problem = checked(jobs.post(BATCH, json=body), status, code)
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer
    assert not BatchJob.objects.exists()


def test_a_query_takes_no_parameters(jobs: httpx.Client) -> None:
    body = {"endpoint": "flow", "query": {"since": 1}}
    checked(jobs.post(BATCH, params=FLOW, json=body), 400, "unknown_filter")


def test_a_query_under_one_key_is_one_job(jobs: httpx.Client) -> None:
    headers = {"idempotency-key": str(NOBODY)}
    body = {"endpoint": "flow", "query": {"since": 1}}
    first, again = (jobs.post(BATCH, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    body["query"]["limit"] = 5
    checked(jobs.post(BATCH, json=body, headers=headers), 422, "idempotency_mismatch")


def test_queries_that_come_at_once_under_one_key_are_told_apart(jobs: httpx.Client) -> None:
    def ask(key: str, limit: int) -> httpx.Response:
        body = {"endpoint": "flow", "query": {"since": 1, "limit": limit}}
        return jobs.post(BATCH, json=body, headers={"idempotency-key": key})

    with ThreadPoolExecutor(4) as threads:
        for turn in range(5):
            answers = sorted(threads.map(ask, [str(turn)] * 4, (1, 1, 2, 2)), key=lambda one: one.status_code)
            assert [one.status_code for one in answers] == [200, 201, 422, 422]
            assert answers[0].json()["id"] == answers[1].json()["id"]


def test_another_version_under_the_same_key_is_another_request(jobs: httpx.Client, tmp_path: Path) -> None:
    tiny.write_version(tmp_path / "artifacts" / "flow", number="1.1.0", slope=2)
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(django_settings.STORE_DIR), actor="test")
    file, query = CSV | {"idempotency-key": "a-file"}, {"idempotency-key": "a-query"}
    said: dict[str, Any] = {"endpoint": "flow", "query": {"since": 1}}
    for version, status in (("line-1.0.0", 201), ("line-1.0.0", 200), ("line-1.1.0", 422)):
        answer = jobs.post(BATCH, params=FLOW | {"version": version}, content=SHEET, headers=file)
        assert answer.status_code == status
        assert jobs.post(BATCH, json=said | {"version": version}, headers=query).status_code == status
    # Without one it is the champion of then, whoever that was.
    assert jobs.post(BATCH, params=FLOW, content=SHEET, headers=file).status_code == 200


def test_whether_there_is_a_device_of_that_name_is_not_told(jobs: httpx.Client, flow: Endpoint) -> None:
    device_create(name="pump-1", actor="test")
    told = []
    for name in ("pump-1", "nobody"):
        answer = jobs.post(BATCH, json={"endpoint": "flow", "query": {"since": 1, "device": name}})
        assert answer.status_code == 201
        batch.work()
        job = jobs.get(answer.headers["location"]).json()
        told.append((job["state"], job["code"], job["detail"]))
    assert told[0] == told[1]
    assert told[0][:2] == ("failed", "no_rows")
    assert "Look at the names" in told[0][2]


@pytest.mark.parametrize(
    ("came_to", "status", "says"),
    [
        ({"state": "running"}, 409, "made once the job is done"),
        ({"state": "done"}, 409, "made once the job is done"),
        ({"state": "failed", "code": "no_rows"}, 409, "failed can't be reported on"),
        ({"state": "cancelled"}, 409, "cancelled can't be reported on"),
        ({"state": "done", "code": "poison"}, 404, "was not found"),
        ({"state": "done", "expired_at": "2026-11-22T12:00:00Z"}, 404, "was not found"),
    ],
)
def test_a_report_that_will_never_be_is_not_promised(
    jobs: httpx.Client, came_to: dict[str, Any], status: int, says: str
) -> None:
    job = jobs.post(BATCH, json={"endpoint": "flow", "query": {"since": 1}}).json()["id"]
    BatchJob.objects.update(**came_to)
    answer = checked(jobs.get(f"{BATCH}{job}/report"), status, "job_state" if status == 409 else "not_found")
    assert says in answer["detail"]
