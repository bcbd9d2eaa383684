"""How much of a body is taken where Django answers: what is too much is refused before it is written to the disk."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client

from inference.http import requests, uploads
from project.asgi import django_application
from project.bodies import PAGE_BYTES, UPLOAD, UPLOAD_BYTES, limited

PIECE = b"x" * 65536


def cookie(*groups: str) -> bytes:
    """The session of somebody new of these groups."""
    person = User.objects.create_user("ada", is_staff=True)
    person.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(person)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}".encode()


async def taken(path: str, size: int, *, announced: bool = True, cookie: bytes = b"") -> tuple[int, int]:
    """Send so many bytes: the status of the answer, and how many bytes the pages were given."""
    headers = [(b"cookie", cookie), *([(b"content-length", b"%d" % size)] if announced else [])]
    left, given, told = size, 0, []

    async def receive():
        nonlocal left
        part = PIECE[: min(left, len(PIECE))]
        left -= len(part)
        return {"type": "http.request", "body": part, "more_body": left > 0}

    async def pages(scope, receive, send):
        nonlocal given
        more = True
        while more:
            message = await receive()
            given += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        told.append(message)

    await limited(pages, {"type": "http", "path": path, "headers": headers}, receive, send)
    return told[0]["status"], given


@pytest.mark.parametrize("announced", [True, False])
async def test_a_page_takes_two_mebibytes_and_no_more(announced):
    assert await taken("/login/", PAGE_BYTES, announced=announced) == (200, PAGE_BYTES)
    status, given = await taken("/login/", PAGE_BYTES + 1, announced=announced)
    assert (status, given) == (413, 0 if announced else PAGE_BYTES)


async def test_a_file_is_taken_of_who_may_run_batch_jobs_only(clean_tables):
    size = PAGE_BYTES + 1
    assert await taken(UPLOAD, size) == (413, 0)
    assert await taken(UPLOAD, size, cookie=b"sessionid=x") == (413, 0)
    operator = await sync_to_async(cookie)("operator")
    assert await taken(UPLOAD, size, cookie=operator) == (200, size)
    for other in (b"a@b=1", b'theme={"dark": true}', b"a b"):
        assert await taken(UPLOAD, size, cookie=other + b"; " + operator) == (200, size)
    assert await taken("/jobs/query/", size, cookie=operator) == (413, 0)
    assert await taken(UPLOAD, UPLOAD_BYTES + 1, cookie=operator) == (413, 0)
    await sync_to_async(lambda: User.objects.get().groups.set(Group.objects.filter(name="viewer")))()
    assert await taken(UPLOAD, size, cookie=operator) == (413, 0)


async def test_a_file_whose_sender_can_not_be_known_now_is_refused_for_now(no_database):
    assert await taken(UPLOAD, PAGE_BYTES + 1, cookie=b"sessionid=" + b"x" * 32) == (503, 0)


async def told(path: str, *pieces: bytes, pause_s: float) -> tuple[int, bytes]:
    """Send pieces with a pause before each, and never the end: the status of the answer, and the answer."""
    left, said = list(pieces), []

    async def receive():
        if not left:
            await asyncio.Event().wait()
        await asyncio.sleep(pause_s)
        return {"type": "http.request", "body": left.pop(0), "more_body": True}

    async def send(message):
        said.append(message)

    headers = [(b"content-length", b"1000")]
    async with asyncio.timeout(20):
        await limited(django_application, {"type": "http", "path": path, "headers": headers}, receive, send)
    return said[0]["status"], said[1]["body"]


@pytest.mark.parametrize("pieces", [0, 1, 1000], ids=["silent", "stops", "trickles"])
async def test_a_page_s_body_that_does_not_come_in_time_is_refused(pieces, monkeypatch):
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.3)
    status, body = await told("/login/", *pieces * [b"x"], pause_s=0.01)
    assert (status, json.loads(body)["code"]) == (400, "incomplete_upload")
    assert "within 0.3 s" in json.loads(body)["detail"]


async def test_a_file_may_take_longer_than_a_page_as_long_as_something_comes(monkeypatch):
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(uploads, "IDLE_S", 0.5)
    status, body = await told(UPLOAD, *10 * [b"x"], pause_s=0.05)
    assert (status, json.loads(body)["code"]) == (400, "incomplete_upload")
    assert "waited 0.5 s" in json.loads(body)["detail"]
    monkeypatch.setattr(uploads, "WHOLE_S", 0.4)
    _, body = await told(UPLOAD, *1000 * [b"x"], pause_s=0.05)
    assert "waited 0.4 s" in json.loads(body)["detail"]


async def test_an_answer_may_take_longer_than_a_body(monkeypatch):
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.05)
    left, said = [], []

    async def slow(scope, receive, send):
        assert not (await receive())["more_body"]
        left.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        if not left:
            left.append("body")
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    async def send(message):
        said.append(message["status"])

    await limited(slow, {"type": "http", "path": "/", "headers": []}, receive, send)
    assert (left, said) == (["body", "http.disconnect"], [200])
