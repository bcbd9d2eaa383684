"""A database that does not answer: refusals in time, no threads that pile up, and nothing to restart afterwards."""

import asyncio

import httpx
import psutil
import psycopg
import pytest

from inference.models import Endpoint
from jobs.api import database
from jobs.models import BatchJob
from tests.jobs.api.refusals import checked
from tests.jobs.web import Server

BATCH = "/api/v1/jobs/batch/"
CLIENTS = database.MOST_WAITING + 20


@pytest.mark.fault
async def test_while_it_hangs_everyone_is_told_in_time_and_then_it_goes_on(
    jobs: httpx.Client, server: Server, dsn: str, flow: Endpoint
) -> None:
    """F28"""
    web = psutil.Process(server.pid)
    headers = {"authorization": jobs.headers["authorization"]}
    # Longer than what is promised, so that a wait beyond it is an answer that never came.
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=12, limits=_MANY) as client:
        assert (await client.get(BATCH)).status_code == 200
        with psycopg.connect(dsn) as blocker:
            blocker.execute(f"LOCK TABLE {BatchJob._meta.db_table}")
            before = web.num_threads()
            answers = await asyncio.gather(*[client.get(BATCH) for _ in range(CLIENTS)])
            upload = client.post(BATCH, params={"endpoint": "flow"}, content=b"a,b\n1,2\n", headers=_CSV)
            answers.append(await upload)
            assert web.num_threads() <= before + database.THREADS + 2
            # The threads are free again, though what they waited for still hangs.
            assert (await client.get("/api/v1/jobs/training/")).status_code == 200
        assert (await client.get(BATCH)).status_code == 200
    codes = {checked(answer, 503, answer.json()["code"])["code"] for answer in answers}
    assert codes == {"audit_unavailable", "overloaded"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)


_MANY = httpx.Limits(max_connections=CLIENTS)
_CSV = {"content-type": "text/csv"}
