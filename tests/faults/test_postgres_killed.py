"""F3: Postgres is killed under load and comes back; no other process is restarted."""

import asyncio

import httpx
import pytest

from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.history import History
from tests.faults.people import made
from tests.faults.stack import Stack

pytestmark = pytest.mark.fault

PAUSE_LIMIT_S = 15
"""After so long without Postgres a strict socket is closed (PROTOCOL section 3)."""


async def test_streams_pause_and_resume_over_a_short_outage(stack: Stack, history: History) -> None:
    web = stack.web
    async with Crowd(stack, history, "f3short", sockets=20, callers=2) as crowd:
        stack.postgres.kill()
        await crowd.everyone_is_told("paused")
        await stack.becomes(lambda: stack.get("/readyz").status == 503, "/readyz says 503", timeout_s=5)
        stack.postgres.start()
        await crowd.everyone_is_told("resumed")
        await stack.becomes(lambda: stack.get("/readyz").status == 200, "/readyz says 200 again", timeout_s=10)
        await crowd.everyone_is_answered(times=5)

    assert stack.web is web
    assert [sender.connections for sender in crowd.senders] == [1] * 20
    assert {operation.code for operation in history.of("fail")} <= {"audit_unavailable"}
    assert all(operation.client_id is None for operation in history.of("fail")), "a paused stream was refused"
    assert history.of("info") == []
    assert Checker(stack, history).problems() == []


async def test_readyz_names_what_is_missing_without_postgres(stack: Stack) -> None:
    stack.postgres.kill()

    await stack.becomes(lambda: stack.get("/readyz").status == 503, "/readyz says 503", timeout_s=5)

    assert "postgres" in str(stack.get("/readyz").body).lower()


def test_the_console_says_that_the_database_is_away_and_goes_on_once_it_is_back(stack: Stack) -> None:
    nora = made(stack, "nora", "operator")
    said = {"csrfmiddlewaretoken": nora.jar["csrftoken"]}
    with httpx.Client(base_url=nora.address, headers={"cookie": nora.cookies}, timeout=20) as browser:
        stack.postgres.kill()
        answers = [browser.get("/"), browser.get("/login/"), browser.post("/jobs/query/", data=said)]
        stack.postgres.start()
        stack.wait_until(lambda: browser.get("/").status_code == 200, "the console answers again", timeout_s=10)

    assert [answer.status_code for answer in answers] == [503] * 3
    assert all("database can't be reached" in answer.text for answer in answers)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_long_outage_closes_strict_streams_and_they_come_back(stack: Stack, history: History) -> None:
    web = stack.web
    async with Crowd(stack, history, "f3long", sockets=20, callers=2) as crowd:
        stack.postgres.kill()
        await crowd.everyone_is_told("paused")
        await asyncio.sleep(PAUSE_LIMIT_S + 3)
        stack.postgres.start()
        await stack.becomes(lambda: stack.get("/readyz").status == 200, "/readyz says 200 again", timeout_s=10)
        await crowd.everyone_is_answered(times=5)

    assert stack.web is web
    assert {code for sender in crowd.senders for code in sender.close_codes} == {1013}
    assert Checker(stack, history).problems() == []
