"""F11: every wake-up comes several times, and comes again while it is still worked on."""

import asyncio
import itertools

import pytest
from celery import Celery

from jobs.wakeups import BATCH
from project.env import celery_broker
from tests.faults.batches import Batch
from tests.faults.sheets import Sheet
from tests.faults.stack import Stack

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(300)]

TIMES = 3
FINISHED_S = 120


async def test_wake_ups_that_come_again_and_again_change_nothing(stack: Stack) -> None:
    workers = [stack.crew.worker(DJANGO_SETTINGS_MODULE="tests.faults.redelivery") for _ in range(3)]
    stack.crew.wait_ready()
    batches = [Batch(stack, Sheet(rows, start=rows)) for rows in (200_000, 100_000)]
    with Celery(broker=celery_broker(stack.valkey.url), set_as_current=False) as app:
        turns = itertools.count()

        def send_again() -> None:
            if next(turns) % 10 == 0:
                for _ in range(TIMES):
                    app.send_task(BATCH, queue="batch")

        for batch in batches:
            await asyncio.to_thread(batch.start)
        for batch in batches:
            await batch.finishes(FINISHED_S, send_again)

    assert next(turns) > 10
    assert {batch.most_attempts() for batch in batches} == {1}
    assert [batch.problems() for batch in batches] == [[], []]
    assert all(worker.log().count("Task jobs.batch_work") > TIMES for worker in workers)
