"""F19, F20: the disk is full under Postgres, under uploads, under the artifact store, under the logs."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.batches import Batch
from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.disk import Disk, skip_unless_mounting_works, small_disk
from tests.faults.history import History
from tests.faults.sheets import Sheet
from tests.faults.stack import ENDPOINT, Stack

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(300)]

POSTGRES_MIB = 384
SMALL_MIB = 8
RESUMED_S = 90


@pytest.fixture
def cramped() -> Iterator[tuple[Stack, Disk]]:
    """A stack of its own whose Postgres has a disk of its own, a small one."""
    skip_unless_mounting_works()
    stack = Stack()
    try:
        stack.start()
        stack.web_stop()
        stack.postgres.stop()
        with small_disk(stack.postgres.data, POSTGRES_MIB) as disk:
            stack.postgres.start()
            stack.web_start()
            stack.heal()
            yield stack, disk
            stack.crew.dismiss()
            stack.web_stop()
            stack.postgres.stop()
    finally:
        stack.close()


async def test_a_full_disk_under_postgres_loses_nothing_that_was_acknowledged(
    cramped: tuple[Stack, Disk], history: History
) -> None:
    stack, disk = cramped
    web = stack.web
    worker = stack.crew.worker()
    stack.crew.wait_ready()
    async with Crowd(stack, history, "f19", sockets=20, callers=2) as crowd:
        batch = await asyncio.to_thread(Batch(stack, Sheet(200_000)).start)
        await batch.reaches(1)
        disk.fill()
        await stack.becomes(lambda: stack.get("/readyz").status == 503, "/readyz says 503")
        await stack.becomes(lambda: history.of("fail"), "a reading was refused")
        await stack.becomes(lambda: "waits for Postgres" in worker.log(), "the worker met the full disk")
        disk.clear()
        if stack.postgres.process is None or stack.postgres.process.poll() is not None:
            stack.postgres.start()
        await stack.becomes(lambda: stack.get("/readyz").status == 200, "/readyz says 200 again")
        await crowd.everyone_is_answered(times=5)
        await batch.finishes(RESUMED_S, stack.crew.tend)

    assert stack.web is web
    assert {operation.code for operation in history.of("fail")} <= {"storage_full", "audit_unavailable", "internal"}
    assert Checker(stack, history).problems() == []
    assert batch.problems() == []


async def test_an_upload_that_finds_no_room_leaves_no_job_and_no_file(stack: Stack) -> None:
    uploads = stack.home / "uploads"
    uploads.mkdir(exist_ok=True)
    before = stack.sql("SELECT count(*) FROM jobs_batchjob")
    stack.web_stop()
    with small_disk(uploads, SMALL_MIB) as disk:
        stack.heal()
        disk.fill(1 << 20)
        answer = await asyncio.to_thread(Batch(stack, Sheet(200_000)).upload)
        left = [path.name for path in uploads.rglob("*") if path.is_file() and path.name != "filler"]
        disk.clear()
        stack.crew.worker()
        batch = await asyncio.to_thread(Batch(stack, Sheet(20_000)).start)
        jobs = stack.sql("SELECT count(*) - 1 FROM jobs_batchjob")
        await batch.finishes(RESUMED_S)
        problems = batch.problems()
        stack.crew.dismiss()
        stack.web_stop()

    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert left == []
    assert jobs == before
    assert problems == []


async def test_full_logs_stop_no_prediction(stack: Stack, history: History) -> None:
    stack.web_stop()
    with small_disk(stack.home / "logs", SMALL_MIB) as disk:
        disk.fill()
        stack.web_start()
        async with Crowd(stack, history, "f20logs", sockets=10, callers=2) as crowd:
            await crowd.everyone_is_answered(times=50)
            status = stack.get(f"/api/v1/endpoints/{ENDPOINT}/").status
        stack.web_stop()

    assert status == 200
    assert history.of("fail") == []
    assert Checker(stack, history).problems() == []
