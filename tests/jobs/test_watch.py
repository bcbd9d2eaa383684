"""The socket of the pages of jobs, on a real server: who gets in, and what they see of work as it goes on."""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from inference.models import Endpoint
from jobs.batch import reading
from jobs.batch.work import work
from jobs.models import RunLine, TrainingRun
from jobs.services import batch_job_cancel
from jobs.watch import POLL, RUN, JobsConsumer, News, Poll, Subject
from tests.jobs.orders import order
from tests.jobs.web import Server

ROWS = ["1,2", "x,3", "4,5", "500,6", "7,8", "9,1"]


def logged_in(name: str, *groups: str) -> str:
    """The cookie of somebody new of these groups, who has just logged in."""
    person = User.objects.create_user(name, is_staff=True)
    person.groups.set(Group.objects.filter(name__in=groups))
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


@pytest.fixture
def cookie(flow: Endpoint) -> str:
    """The cookie of a viewer."""
    return logged_in("vera", "viewer")


def watching(server: Server, cookie: str, query: str = "", origin: str = "") -> connect:
    """A socket that asks to watch, as a page of the server does."""
    headers = {"origin": origin or server.url, "cookie": cookie}
    return connect(f"ws://{server.host}:{server.port}/ws/v1/jobs{query}", additional_headers=headers)


async def seen(socket: ClientConnection, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first picture that is as wished."""
    async with asyncio.timeout(20):
        while not holds(picture := json.loads(await socket.recv())):
            pass
    return picture


async def refused(attempt: connect) -> httpx.Response | Any:
    """How a socket was refused."""
    with pytest.raises(InvalidStatus) as refusal:
        await attempt
    return refusal.value.response


async def test_a_page_of_another_site_is_refused_with_a_good_session(server, cookie):
    answer = await refused(watching(server, cookie, origin="http://evil.example"))
    assert answer.status_code == 403
    assert json.loads(answer.body)["code"] == "origin_not_allowed"


async def test_who_is_in_no_group_or_not_logged_in_is_refused(server, cookie):
    nobody = await sync_to_async(logged_in)("norbert")
    for given in (nobody, "", "sessionid=x"):
        for query in ("", "?list=trainings", f"?job={uuid.uuid4()}"):
            assert (await refused(watching(server, given, query))).status_code == 403


async def test_what_is_not_there_is_not_found(server, cookie):
    many = "?" + "&".join(f"x{number}=1" for number in range(11))
    ids = (f"?job={uuid.uuid4()}", f"?run={uuid.uuid4()}", "?job=1", "?run=x", f"?run={uuid.uuid4()}&after=x")
    for query in (*ids, many):
        assert (await refused(watching(server, cookie, query))).status_code == 404


async def test_a_job_is_seen_from_its_beginning_to_its_end(server, cookie, flow, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK_ROWS", 2)
    job = await sync_to_async(order)(flow, ROWS)
    async with watching(server, cookie, f"?job={job.pk}") as page, watching(server, cookie) as others:
        first = await seen(page, lambda picture: True)
        assert (first["type"], first["id"], first["state"]) == ("job", str(job.pk), "queued")
        assert (first["progress"]["rows"], first["said"]) == (None, "Waits for a worker.")
        listed = await seen(others, lambda picture: True)
        assert [(one["id"], one["mark"]) for one in listed["jobs"]] == [(str(job.pk), "queued")]
        await sync_to_async(work)()
        last = await seen(page, lambda picture: picture["state"] == "done")
        assert last["said"] == "6 rows."
        assert (last["failed"], last["progress"]["errors"]) == ("2", {"out_of_range": 1, "wrong_type": 1})
        assert last["mark"] != first["mark"]
        listed = await seen(others, lambda picture: picture["jobs"][0]["state"] == "done")
        assert listed["jobs"][0]["progress"]["done"] == 6


async def test_a_cancelled_job_is_still_told_of_in_the_list(server, cookie, flow):
    job = await sync_to_async(order)(flow, ROWS)
    async with watching(server, cookie, "?list=batches") as page:
        await seen(page, lambda picture: picture["jobs"])
        await sync_to_async(batch_job_cancel)(job=job, actor="ada")
        picture = await seen(page, lambda picture: picture["jobs"][0]["state"] == "cancelled")
    assert picture["jobs"][0]["said"] == "Cancelled."


async def test_a_runs_log_comes_line_by_line_each_once(server, cookie, flow):
    run = await sync_to_async(TrainingRun.objects.create)(
        endpoint=flow, algorithm="line", policy="approve", slot="one", created_by="ada", state="running"
    )

    def say(*texts: str) -> None:
        RunLine.objects.bulk_create(RunLine(run=run, text=text) for text in texts)

    await sync_to_async(say)("selecting data", "fitting")
    async with watching(server, cookie, f"?run={run.pk}") as page:
        first = await seen(page, lambda picture: True)
        assert [line["text"] for line in first["lines"]] == ["selecting data", "fitting"]
        await sync_to_async(say)("judging")
        second = await seen(page, lambda picture: picture["lines"])
        assert [line["text"] for line in second["lines"]] == ["judging"]
        await sync_to_async(TrainingRun.objects.update)(step="judge")
        third = await seen(page, lambda picture: picture["mark"] != first["mark"])
        assert third["lines"] == []
    after = first["lines"][0]["id"]
    async with watching(server, cookie, f"?run={run.pk}&after={after}") as late:
        picture = await seen(late, lambda picture: True)
        assert [line["text"] for line in picture["lines"]] == ["fitting", "judging"]
    async with watching(server, cookie, "?list=trainings") as page:
        picture = await seen(page, lambda picture: True)
        assert picture["runs"] == [{"id": str(run.pk), "mark": "running judge"}]


async def test_who_loses_the_permission_is_let_go(server, cookie):
    async with watching(server, cookie) as page:
        await seen(page, lambda picture: True)
        await sync_to_async(lambda: Group.objects.get(name="viewer").user_set.clear())()
        with pytest.raises(ConnectionClosed) as closed:
            await seen(page, lambda picture: False)
    assert closed.value.rcvd.code == 4403


async def test_a_page_is_told_that_postgres_is_away_and_goes_on_afterwards(server, cookie, flow, dsn):
    async with watching(server, cookie) as page:
        await seen(page, lambda picture: picture["type"] == "batches")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("ALTER TABLE jobs_batchjob RENAME TO jobs_away")
            try:
                await seen(page, lambda picture: picture["type"] == "lost")
            finally:
                connection.execute("ALTER TABLE jobs_away RENAME TO jobs_batchjob")
        await seen(page, lambda picture: picture["type"] == "batches")


async def test_nothing_is_asked_while_nobody_watches():
    poll, watcher = Poll(), JobsConsumer()
    assert not poll.runs
    poll.add(watcher)
    assert poll.runs
    poll.discard(watcher)
    await asyncio.sleep(0)
    assert not poll.runs
    assert not POLL.runs


async def test_who_comes_as_the_last_one_leaves_is_told_how_things_are(flow):
    poll, leaving, coming = Poll(), JobsConsumer(), JobsConsumer()
    told = asyncio.Event()
    coming.take = lambda news: told.set()
    poll.add(leaving)
    await asyncio.sleep(0)
    poll.discard(leaving)
    poll.add(coming)
    async with asyncio.timeout(20):
        await told.wait()
        told.clear()
        await told.wait()
    poll.discard(coming)


async def test_who_comes_while_postgres_is_asked_misses_no_line(flow):
    def logged() -> list[RunLine]:
        run = TrainingRun.objects.create(
            endpoint=flow, algorithm="line", policy="approve", slot="one", created_by="ada", state="running"
        )
        return [RunLine.objects.create(run=run, text=text) for text in ("fitting", "judging")]

    lines = await sync_to_async(logged)()
    poll, early, late = Poll(), JobsConsumer(), JobsConsumer()
    early.subject = late.subject = Subject(RUN, uuid.UUID(str(lines[0].run_id)))
    early.after = lines[-1].pk
    told = asyncio.Event()
    late.changed = told.set
    poll.add(early)
    await asyncio.sleep(0)
    poll.add(late)
    async with asyncio.timeout(20):
        await told.wait()
    assert [line["text"] for line in late.draw()["lines"]] == ["fitting", "judging"]
    poll.discard(early)
    poll.discard(late)


def test_a_picture_that_says_nothing_new_is_not_sent_again():
    watcher = JobsConsumer()
    subject = watcher.subject
    changes: list[None] = []
    watcher.changed = lambda: changes.append(None)
    watcher.take(News({subject: {"jobs": []}}))
    watcher.take(News({subject: {"jobs": []}}))
    assert len(changes) == 1
    watcher.take(None)
    assert watcher.draw() == {"type": "lost"}
