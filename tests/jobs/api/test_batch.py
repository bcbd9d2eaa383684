"""Batch jobs over REST, from a file to results, and what is refused on the way."""

import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings

from inference.engine.store import FolderStore
from inference.models import ControlLog, Endpoint
from inference.selectors import version_get
from inference.services import device_create, release_deploy, version_deploy
from jobs import storage
from jobs.batch import reading, shelf
from jobs.batch import work as batch
from jobs.batch.reading import claim_unread, read
from jobs.models import BatchJob
from jobs.services import batch_job_expire
from tests.inference import tiny
from tests.jobs.api.conftest import Client
from tests.jobs.api.refusals import checked
from tests.jobs.web import Server
from tests.project.children import until

BATCH = "/api/v1/jobs/batch/"
CSV = {"content-type": "text/csv"}
FLOW = {"endpoint": "flow"}
NOBODY = uuid.UUID("019ab3f2-7d10-7c55-9b1e-0f2b6a7c9d11")
SHEET = b"a,b\n1,2\n3,4\n-5,6\n"


@pytest.fixture(autouse=True)
def _small_chunks_in_an_empty_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    storage.drop("incoming")
    monkeypatch.setattr(reading, "CHUNK_ROWS", 2)
    shelf.forget()


def upload(client: httpx.Client, data: bytes = SHEET, **query: str) -> dict[str, Any]:
    """A job of a CSV; asserts that it was taken."""
    answer = client.post(BATCH, params=FLOW | query, content=data, headers=CSV)
    assert answer.status_code == 201, answer.text
    return answer.json()


def temporary() -> list[Path]:
    """What lies in the folder of files that are coming in."""
    return list((django_settings.FORETELL_HOME / "tmp").glob("*"))


def kept() -> list[str]:
    """Inputs in the storage that no worker has read."""
    return storage.uploads().listdir("incoming")[1] if storage.uploads().exists("incoming") else []


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


REFUSED = [
    ("B55 missing", b"a\n1\n", {}, 422, "bad_header"),
    ("B55 twice", b"a,b,b\n1,2,3\n", {}, 422, "bad_header"),
    ("B55 unknown", b"a,b,c\n1,2,3\n", {}, 422, "bad_header"),
    ("carry nothing", SHEET, {"carry": "id"}, 422, "bad_header"),
    ("carry an input", SHEET, {"carry": "a"}, 422, "bad_header"),
    ("B57 header only", b"a,b\n", {}, 422, "no_rows"),
    ("B57 nothing", b"", {}, 422, "no_rows"),
    ("B54 binary", b"\x89PNG\r\n\x1a\n\x00\x00\x00", {}, 422, "bad_file"),
    ("B54 parquet", b"PAR1" + bytes(100), {}, 422, "bad_file"),
    ("B54 unreadable", b"a,b\xff\n1,2\n", {}, 422, "bad_file"),
    ("B20 endpoint", SHEET, {"endpoint": "nosuch"}, 404, "unknown_endpoint"),
    ("no endpoint", SHEET, {"endpoint": ""}, 404, "unknown_endpoint"),
    ("B21 version", SHEET, {"version": "line-9.9.9"}, 404, "unknown_endpoint"),
    ("unknown parameter", SHEET, {"verison": "line-1.0.0"}, 400, "unknown_filter"),
    ("a list's parameter", SHEET, {"state": "done"}, 400, "unknown_filter"),
]


@pytest.mark.parametrize(
    ("data", "query", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_file_that_cannot_be_used_is_refused_at_once_and_leaves_nothing(
    jobs: httpx.Client, data: bytes, query: dict[str, str], status: int, code: str
) -> None:
    checked(jobs.post(BATCH, params=FLOW | query, content=data, headers=CSV), status, code)
    assert not BatchJob.objects.exists()
    assert temporary() == []
    assert kept() == []


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content-type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
        ({"content-type": "text/csv; charset=latin-1"}, 415, "unsupported_media_type"),
        (CSV | {"content-encoding": "gzip"}, 415, "unsupported_encoding"),
        (CSV | {"accept": "text/html"}, 406, "not_acceptable"),
        (CSV | {"idempotency-key": ""}, 400, "bad_idempotency_key"),
        (CSV | {"idempotency-key": "x" * 129}, 400, "bad_idempotency_key"),
        (CSV | {"idempotency-key": "a b"}, 400, "bad_idempotency_key"),
    ],
)
def test_headers_that_cannot_be_used_are_refused(
    jobs: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    checked(jobs.post(BATCH, params=FLOW, content=SHEET, headers=headers), status, code)
    assert not BatchJob.objects.exists()


def head(server: Server, client: httpx.Client, length: int) -> bytes:
    """The head of an upload, to be sent by hand."""
    lines = [
        f"POST {BATCH}?endpoint=flow HTTP/1.1",
        f"Host: {server.host}",
        f"Authorization: {client.headers['authorization']}",
        "Content-Type: text/csv",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_of_an_upload_that_is_cut_there_is_no_job_and_no_file(server: Server, jobs: httpx.Client) -> None:
    """B59"""
    with socket.create_connection((server.host, server.port), 20) as connection:
        connection.sendall(head(server, jobs, 4_000_000) + SHEET * 120_000)
        until(lambda: bool(temporary()))
    until(lambda: not temporary())
    assert not BatchJob.objects.exists()


def test_a_file_over_64_mib_is_refused_before_it_is_sent(server: Server, jobs: httpx.Client) -> None:
    """B58"""
    with socket.create_connection((server.host, server.port), 20) as connection:
        connection.sendall(head(server, jobs, 64 * 1024 * 1024 + 1))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert temporary() == []


def test_the_same_key_makes_one_job(jobs: httpx.Client, client: Client) -> None:
    key = CSV | {"idempotency-key": "night-2026-11-22"}
    first = jobs.post(BATCH, params=FLOW, content=SHEET, headers=key)
    again = jobs.post(BATCH, params=FLOW, content=SHEET, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = jobs.post(BATCH, params=FLOW, content=SHEET + b"1,1\n", headers=key)
    checked(other, 422, "idempotency_mismatch")
    somebody = client("jobs", service="other").post(BATCH, params=FLOW, content=SHEET, headers=key)
    assert somebody.status_code == 201
    assert BatchJob.objects.count() == 2
    assert len(kept()) == 2


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


@pytest.mark.parametrize("place", ["results", "download"])
def test_of_what_is_not_over_there_are_no_results(jobs: httpx.Client, place: str) -> None:
    """B61"""
    job = upload(jobs)["id"]
    checked(jobs.get(f"{BATCH}{job}/{place}"), 409, "job_state")
    jobs.post(f"{BATCH}{job}/cancel")
    checked(jobs.get(f"{BATCH}{job}/{place}"), 409, "job_state")


@pytest.mark.parametrize("place", ["results", "download"])
def test_results_that_are_gone_are_not_there_any_more(jobs: httpx.Client, place: str) -> None:
    job = upload(jobs)["id"]
    batch.work()
    assert jobs.get(f"{BATCH}{job}/{place}").status_code == 200
    batch_job_expire(job=BatchJob.objects.get())
    assert "expired" in checked(jobs.get(f"{BATCH}{job}/{place}"), 409, "job_state")["detail"]
    assert jobs.get(f"{BATCH}{job}/").json()["expired_at"] is not None


def test_results_come_in_pages_and_by_status(jobs: httpx.Client) -> None:
    rows = [f"{number},1" if number % 3 else "x,1" for number in range(1, 11)]
    place = f"{BATCH}{upload(jobs, chr(10).join(['a,b', *rows]).encode())['id']}/results"
    batch.work()
    seen, after = [], 0
    while after is not None:
        page = jobs.get(place, params={"after": after, "limit": 4}).json()
        seen += [one["row"] for one in page["results"]]
        after = page["next"]
    assert seen == list(range(1, 11))
    failed = jobs.get(place, params={"status": "error"}).json()["results"]
    assert [(one["row"], one["error"]) for one in failed] == [(3, "wrong_type"), (6, "wrong_type"), (9, "wrong_type")]
    assert failed == jobs.get(place, params={"code": "wrong_type"}).json()["results"]
    assert jobs.get(place, params={"code": "poison"}).json()["results"] == []
    assert len(jobs.get(place, params={"status": "ok"}).json()["results"]) == 7
    checked(jobs.get(place, params={"status": "open"}), 400, "bad_pagination")


def test_rows_that_were_not_done_say_so(jobs: httpx.Client) -> None:
    job = upload(jobs)["id"]
    lease = claim_unread()
    assert lease is not None
    read(lease)
    jobs.post(f"{BATCH}{job}/cancel")
    lines = jobs.get(f"{BATCH}{job}/download").text.splitlines()
    assert [line.split(",")[3] for line in lines[1:]] == ["open"] * 3
    assert jobs.get(f"{BATCH}{job}/results").json()["results"] == []


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


@pytest.mark.parametrize("id", ["nosuch", str(NOBODY), "%00", "1"])
def test_a_job_that_is_not_there_is_not_found(jobs: httpx.Client, id: str) -> None:
    checked(jobs.get(f"{BATCH}{id}/"), 404, "not_found")
    checked(jobs.post(f"{BATCH}{id}/cancel"), 404, "not_found")
