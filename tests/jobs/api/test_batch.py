"""Batch jobs over REST: asked for, listed, seen by whom they concern, changed."""

from pathlib import Path

import httpx
import pytest
from django.conf import settings as django_settings

from inference.engine.store import FolderStore
from inference.models import ControlLog, Endpoint
from inference.selectors import version_get
from inference.services import device_create, release_deploy, version_deploy
from jobs.batch import work as batch
from jobs.models import BatchJob
from tests.inference import tiny
from tests.jobs.api.batches import BATCH, CSV, FLOW, NOBODY, SHEET, temporary, upload
from tests.jobs.api.conftest import Client
from tests.jobs.api.refusals import checked
from tests.jobs.web import Server

pytestmark = pytest.mark.usefixtures("small_chunks_in_an_empty_storage")


def test_from_a_file_to_its_results(jobs: httpx.Client) -> None:
    sheet = b"id,b,a\nx-1,2,1\nx-2,nan,3\nx-3,6,-5\n"
    answer = jobs.post(BATCH, params=FLOW | {"carry": "id", "name": "night.csv"}, content=sheet, headers=CSV)
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"{BATCH}{job['id']}/"
    assert (job["state"], job["endpoint"], job["version"], job["kind"]) == ("queued", "flow", "line-1.0.0", "upload")
    assert (job["file"]["name"], job["file"]["bytes"], job["created_by"]) == (
        "night.csv",
        len(sheet),
        "service:nightly",
    )
    assert job["progress"]["rows"] is None
    assert temporary() == []

    batch.work()

    job = jobs.get(answer.headers["location"]).json()
    assert (job["state"], job["rows"], job["carry"]) == ("done", 3, ["id"])
    assert (job["progress"]["done"], job["progress"]["ok"], job["progress"]["chunks"]) == (3, 2, 2)
    assert sum(job["progress"]["errors"].values()) == 1
    results = jobs.get(f"{BATCH}{job['id']}/results").json()
    assert [(one["row"], one["status"], one["output"]) for one in results["results"]] == [
        (1, "ok", {"value": 3}),
        (2, "error", None),
        (3, "ok", {"value": 1}),
    ]
    assert results["next"] is None
    with jobs.stream("GET", f"{BATCH}{job['id']}/download") as download:
        download.read()
    lines = download.text.splitlines()
    assert download.headers["content-type"].startswith("text/csv")
    assert download.headers["content-disposition"].startswith("attachment; filename=")
    assert lines[0] == "id,b,a,row,status,value,error,detail"
    assert lines[1] == "x-1,2,1,1,ok,3,,"
    assert lines[2].startswith("x-2,nan,3,2,error,,")
    assert lines[3] == "x-3,6,-5,3,ok,1,,"
    assert len(lines) == 4


def test_what_was_done_is_written_down_with_who_and_the_request(jobs: httpx.Client) -> None:
    answer = jobs.post(BATCH, params=FLOW, content=SHEET, headers=CSV)
    entry = ControlLog.objects.get(action="batch_job.create")
    assert entry.actor == "service:nightly"
    assert str(entry.request_id) == answer.headers["x-request-id"]
    assert BatchJob.objects.get().credential is not None


def test_a_device_asks_in_its_own_name(client: Client, server: Server) -> None:
    issued = device_create(name="pump-1", scopes=["jobs"], actor="test")
    answer = httpx.post(
        f"{server.url}{BATCH}",
        params=FLOW,
        content=SHEET,
        headers=CSV | {"authorization": f"Bearer {issued.token}"},
        timeout=20,
    )
    assert answer.json()["created_by"] == "device:pump-1"


def test_the_version_that_is_named_answers(jobs: httpx.Client, flow: Endpoint, tmp_path: Path) -> None:
    tiny.write_version(tmp_path / "artifacts" / "flow", number="1.1.0", slope=2)
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(django_settings.STORE_DIR), actor="test")
    job = upload(jobs, b"a,b\n1,2\n", version="line-1.1.0")
    live = upload(jobs, b"a,b\n1,2\n")
    version_deploy(endpoint=flow, version=version_get(endpoint=flow, tag="line-1.1.0"), actor="test", reason="better")
    assert (job["version"], live["version"]) == ("line-1.1.0", "line-1.0.0")
    batch.work()
    outputs = [jobs.get(f"{BATCH}{one['id']}/results").json()["results"][0]["output"] for one in (job, live)]
    assert outputs == [{"value": 6}, {"value": 3}]


def test_a_credential_sees_and_starts_jobs_of_its_endpoints_only(
    client: Client, jobs: httpx.Client, tmp_path: Path
) -> None:
    """B20"""
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts", "tide", slug="tide"), slug="tide")
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(django_settings.STORE_DIR), actor="test")
    job = upload(jobs)
    narrow = client("jobs", endpoints=("tide",))
    checked(narrow.post(BATCH, params=FLOW, content=SHEET, headers=CSV), 404, "unknown_endpoint")
    checked(narrow.post(BATCH, json={"endpoint": "flow", "query": {"since": 0}}), 404, "unknown_endpoint")
    assert narrow.get(BATCH).json()["jobs"] == []
    assert narrow.get(BATCH, params={"endpoint": "flow"}).json()["jobs"] == []
    for place in ("", "results", "download", "report"):
        hidden = checked(narrow.get(f"{BATCH}{job['id']}/{place}"), 404, "not_found")
        absent = checked(narrow.get(f"{BATCH}{NOBODY}/{place}"), 404, "not_found")
        assert hidden["detail"] == absent["detail"]
    for action in ("pause", "resume", "cancel", "retry"):
        checked(narrow.post(f"{BATCH}{job['id']}/{action}"), 404, "not_found")
    assert BatchJob.objects.get().state == "queued"


def test_without_the_scope_nobody_gets_in(client: Client) -> None:
    checked(client("predict", "read").get(BATCH), 403, "insufficient_scope")
    checked(client("predict", "read").post(BATCH, params=FLOW, content=SHEET, headers=CSV), 403, "insufficient_scope")


def test_jobs_are_listed_a_page_at_a_time(jobs: httpx.Client) -> None:
    made = [upload(jobs)["id"] for _ in range(3)]
    jobs.post(f"{BATCH}{made[0]}/cancel")
    page = jobs.get(BATCH, params={"limit": 2}).json()
    assert [job["id"] for job in page["jobs"]] == made[:0:-1]
    rest = jobs.get(BATCH, params={"limit": 2, "before": page["next"]}).json()
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == (made[:1], None)
    assert [job["id"] for job in jobs.get(BATCH, params={"state": "cancelled"}).json()["jobs"]] == made[:1]
    assert len(jobs.get(BATCH, params=FLOW).json()["jobs"]) == 3
    assert jobs.get(BATCH, params={"endpoint": "tide"}).json()["jobs"] == []


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "201"}, {"limit": "-1"}, {"limit": "²"}, {"before": "x"}, {"state": "gone"}]
)
def test_a_page_that_is_none_is_refused(jobs: httpx.Client, query: dict[str, str]) -> None:
    """B44"""
    checked(jobs.get(BATCH, params=query), 400, "bad_pagination")


def test_a_job_is_paused_resumed_and_cancelled(jobs: httpx.Client) -> None:
    place = f"{BATCH}{upload(jobs)['id']}"
    assert jobs.post(f"{place}/pause").json()["state"] == "paused"
    checked(jobs.post(f"{place}/pause"), 409, "job_state")
    batch.work()
    assert jobs.get(f"{place}/").json()["progress"]["done"] == 0
    assert jobs.post(f"{place}/resume", json={}).json()["state"] == "queued"
    checked(jobs.post(f"{place}/resume"), 409, "job_state")
    checked(jobs.post(f"{place}/retry"), 409, "job_state")
    assert jobs.post(f"{place}/cancel").json()["state"] == "cancelled"
    checked(jobs.post(f"{place}/cancel"), 409, "job_state")
    assert ControlLog.objects.filter(action="batch_job.cancel", actor="service:nightly").count() == 1


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"force":true}', {"content-type": "application/json"}, 422, "unknown_field"),
        (b"[]", {"content-type": "application/json"}, 422, "not_an_object"),
        (b"{", {"content-type": "application/json"}, 400, "malformed_json"),
        (b"x", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_an_action_does_not_want_is_refused(
    jobs: httpx.Client, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    place = f"{BATCH}{upload(jobs)['id']}"
    checked(jobs.post(f"{place}/cancel", content=content, headers=headers), status, code)
    assert BatchJob.objects.get().state == "queued"


def test_failed_rows_are_tried_again(jobs: httpx.Client) -> None:
    place = f"{BATCH}{upload(jobs, b'a,b%c1,1%c999,1%c' % (10, 10, 10))['id']}"
    batch.work()
    assert jobs.get(f"{place}/").json()["progress"]["errors"] == {"out_of_range": 1}
    assert jobs.post(f"{place}/retry").json()["state"] == "running"
    batch.work()
    assert jobs.get(f"{place}/").json()["state"] == "done"


@pytest.mark.parametrize("id", ["nosuch", str(NOBODY), "%00", "1"])
def test_a_job_that_is_not_there_is_not_found(jobs: httpx.Client, id: str) -> None:
    checked(jobs.get(f"{BATCH}{id}/"), 404, "not_found")
    checked(jobs.post(f"{BATCH}{id}/cancel"), 404, "not_found")
