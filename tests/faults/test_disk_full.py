"""F19, F20: the disk is full under Postgres, under uploads, under the artifact store, under the logs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.batches import Batch
from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.deployer import Deployer
from tests.faults.disk import Disk, skip_unless_mounting_works, small_disk
from tests.faults.history import History
from tests.faults.sheets import Sheet
from tests.faults.stack import ENDPOINT, Stack
from tests.faults.trainings import Training

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(300)]

POSTGRES_MIB = 384
SMALL_MIB = 8
RESUMED_S = 90
TRAINED_S = 240


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


@pytest.mark.parametrize("folder", ["tmp", "uploads"])
async def test_an_upload_that_finds_no_room_leaves_no_job_and_no_file(stack: Stack, folder: str) -> None:
    small = stack.home / folder
    small.mkdir(exist_ok=True)
    before = stack.sql("SELECT count(*) FROM jobs_batchjob")
    stack.web_stop()
    with small_disk(small, SMALL_MIB) as disk:
        stack.heal()
        there = {path for path in _files(small) if path.is_file()}
        disk.fill(1 << 20)
        answer = await asyncio.to_thread(Batch(stack, Sheet(200_000)).upload)
        left = {path for path in _files(small) if path.is_file()} - {small / "filler"}
        disk.clear()
        stack.crew.worker()
        batch = await asyncio.to_thread(Batch(stack, Sheet(20_000)).start)
        jobs = stack.sql("SELECT count(*) - 1 FROM jobs_batchjob")
        await batch.finishes(RESUMED_S)
        problems = batch.problems()
        stack.crew.dismiss()
        stack.web_stop()

    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert left == there
    assert jobs == before
    assert problems == []


@pytest.fixture
def shelved() -> Iterator[tuple[Stack, Disk]]:
    """A stack of its own whose artifact store has a small disk; what is trained on it can equal its champion."""
    skip_unless_mounting_works()
    stack = Stack()
    try:
        stack.start()
        with Deployer(stack) as deployer:
            deployer.deploy("logistic_regression-1.0.0")
        stack.web_stop()
        with small_disk(stack.home / "store", SMALL_MIB) as disk:
            stack.heal()
            yield stack, disk
            stack.crew.dismiss()
            stack.web_stop()
    finally:
        stack.close()


@pytest.mark.timeout(600)
async def test_a_version_that_finds_no_room_is_not_published_and_the_old_one_answers(
    shelved: tuple[Stack, Disk], history: History
) -> None:
    stack, disk = shelved
    champion, known, before = stack.champion(), _known(stack), _files(disk.folder)
    stack.crew.trainer()
    disk.fill()
    full = await asyncio.to_thread(Training(stack).start)
    refused = await full.finishes(TRAINED_S, stack.crew.tend)
    left, registered = _files(disk.folder), _known(stack)
    # Not while it trains: that gives way to them, and takes long then.
    async with Crowd(stack, history, "f20store", sockets=10, callers=2) as crowd:
        await crowd.everyone_is_answered(times=5)
    disk.clear()
    roomy = await asyncio.to_thread(Training(stack).start)
    published = await roomy.finishes(TRAINED_S, stack.crew.tend)

    assert refused == "failed", full.said
    assert "failed publish storage_full" in full.said, full.said
    assert full.attempts == 1
    assert left == before | {disk.folder / "filler"}
    assert registered == known
    assert published == "waiting", roomy.said
    assert _known(stack) == known + 1
    assert stack.champion() == champion
    assert history.of("fail") == []
    assert Checker(stack, history).problems() == []


def _files(folder: Path) -> set[Path]:
    """All that lies below a folder."""
    return set(folder.rglob("*"))


def _known(stack: Stack) -> int:
    """How many versions the registry has."""
    return int(stack.sql("SELECT count(*) FROM inference_version")[0][0])


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
