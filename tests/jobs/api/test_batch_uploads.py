"""Files that come in over REST, and what is refused of them and leaves nothing behind."""

import socket

import httpx
import pytest

from jobs.models import BatchJob
from tests.jobs.api.batches import BATCH, CSV, FLOW, SHEET, kept, temporary
from tests.jobs.api.conftest import Client
from tests.jobs.api.refusals import checked
from tests.jobs.web import Server
from tests.project.children import until

pytestmark = pytest.mark.usefixtures("small_chunks_in_an_empty_storage")
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
