"""F6, F7, F8: Redis is killed, comes back empty, hangs, is restarted. Nobody who waits for an answer notices."""

import asyncio
import signal
import time

import httpx
import pytest
import redis

from tests.bench.load import Target
from tests.bench.pace import Pacer
from tests.bench.readings import frames
from tests.bench.streams import PATH
from tests.faults.batches import Batch
from tests.faults.checker import Checker
from tests.faults.crew import Hand
from tests.faults.crowd import Crowd
from tests.faults.history import History
from tests.faults.sheets import Sheet
from tests.faults.stack import ENDPOINT, Stack

pytestmark = pytest.mark.fault

RESUMED_S = 60
HUNG_S = 30
STARTED_S = 30
MOST_S = 2
MACHINE_MS = 20
LOST, FOUND = "Connection to broker lost", "Connected to redis"
"""What Celery writes when it loses Redis, and each time it has a connection again."""


def _flush(stack: Stack) -> None:
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.flushall()


def _wake_ups(stack: Stack) -> int:
    """How many messages wait for a worker."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        return client.llen("batch")


@pytest.mark.timeout(300)
async def test_a_job_whose_wake_up_was_lost_is_done_all_the_same(stack: Stack) -> None:
    batch = Batch(stack, Sheet(5000)).start()
    await stack.becomes(lambda: _wake_ups(stack), "the wake-up is in Redis")
    _flush(stack)
    stack.crew.worker()

    await batch.finishes(RESUMED_S)

    assert batch.problems() == []


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_losing_redis_and_all_it_held_loses_no_row_and_no_socket(stack: Stack, history: History) -> None:
    stack.crew.worker()
    stack.crew.worker()
    stack.crew.wait_ready()
    async with Crowd(stack, history, "f6", sockets=20, callers=2) as crowd:
        batch = await asyncio.to_thread(Batch(stack, Sheet(300_000)).start)
        await batch.reaches(1)
        stack.valkey.kill()
        assert batch.state == "running", "the job was over before Redis was killed, so it proves nothing"
        waiting = await asyncio.to_thread(Batch(stack, Sheet(20_000, start=7)).start)
        await crowd.everyone_is_answered(times=50)
        stack.valkey.start()
        await crowd.everyone_is_answered(times=50)
        await asyncio.to_thread(_flush, stack)
        for job in (batch, waiting):
            await job.finishes(RESUMED_S, stack.crew.tend)

    assert history.of("fail") == []
    assert history.of("info") == []
    assert [sender.connections for sender in crowd.senders] == [1] * 20
    assert Checker(stack, history).problems() == []
    assert batch.problems() == []
    assert waiting.problems() == []


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_hung_redis_delays_no_answer_and_no_new_job(stack: Stack) -> None:
    assert stack.web is not None
    assert stack.valkey.process is not None
    stack.crew.worker()
    stack.crew.wait_ready()
    assert stack.key
    target = Target(stack.host, stack.port, stack.web.pid, frames(500), PATH, stack.token, says_hello=True)
    async with Pacer(target) as pacer:
        await pacer.measure(2)
        before, rest_before = await asyncio.gather(pacer.measure(10), _asked(stack, 10))
        stack.valkey.process.send_signal(signal.SIGSTOP)
        try:
            hanging = asyncio.gather(pacer.measure(HUNG_S), _asked(stack, HUNG_S))
            started = time.monotonic()
            batch = await asyncio.to_thread(Batch(stack, Sheet(5000)).start, MOST_S)
            created_s = time.monotonic() - started
            during, rest_during = await hanging
        finally:
            stack.valkey.process.send_signal(signal.SIGCONT)
        await batch.finishes(RESUMED_S, stack.crew.tend)

    assert created_s < MOST_S
    assert (during.refused, during.lost) == (0, 0)
    assert max(during.times_ms[-1], rest_during[-1]) < MOST_S * 1000
    # What the machine itself does to the slowest tenth is let pass: a wait for Redis would be in every answer.
    assert during.percentile(90) < 2 * before.percentile(90) + MACHINE_MS
    assert rest_during[int(len(rest_during) * 0.9)] < 2 * rest_before[int(len(rest_before) * 0.9)] + MACHINE_MS
    assert batch.problems() == []


async def _asked(stack: Stack, seconds: float) -> list[float]:
    """What predictions over REST took, one after the other for so long: ms, sorted."""
    times_ms = []
    base, bearer = f"http://{stack.host}:{stack.port}", {"Authorization": f"Bearer {stack.token}"}
    body = {"features": [37, 0, 77, 0, 28, 0, 40, 48, 8]}
    async with httpx.AsyncClient(base_url=base, headers=bearer, timeout=20) as client:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            started = time.monotonic()
            answer = await client.post(f"/api/v1/endpoints/{ENDPOINT}/predict", json=body)
            times_ms.append((time.monotonic() - started) * 1000)
            assert answer.status_code == 200, answer.text
            await asyncio.sleep(0.02)
    return sorted(times_ms)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_job_begins_soon_after_redis_was_restarted_three_times(stack: Stack) -> None:
    worker = stack.crew.worker()
    stack.crew.wait_ready()
    for restarts in range(1, 4):
        stack.valkey.kill()
        await _writes(stack, worker, LOST, restarts)
        stack.valkey.start()
        await _writes(stack, worker, FOUND, restarts + 1)
        stack.crew.tend()

    batch = Batch(stack, Sheet(20_000)).start()
    started = time.monotonic()
    while not batch.done_rows():
        stack.crew.tend()
        assert time.monotonic() - started < STARTED_S, worker.log()[-3000:]
        await asyncio.sleep(0.1)
    await batch.finishes(RESUMED_S, stack.crew.tend)

    assert batch.problems() == []


async def _writes(stack: Stack, hand: Hand, words: str, times: int) -> None:
    """Return when a worker has written these words so often, or has ended."""
    await stack.becomes(lambda: hand.ended or hand.log().count(words) >= times, f"{hand.name}: {words}, {times} times")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_worker_that_hears_nothing_any_more_ends_and_is_started_again(stack: Stack) -> None:
    worker = stack.crew.worker()
    stack.crew.wait_ready()
    _deafen(stack)

    for _ in range(1200):
        if stack.crew.tend():
            break
        await asyncio.sleep(0.1)
    batch = Batch(stack, Sheet(20_000)).start()
    await batch.finishes(RESUMED_S, stack.crew.tend)

    assert worker.starts == 2, worker.log()[-3000:]
    assert batch.problems() == []


def _deafen(stack: Stack) -> None:
    """Let every worker stop to take messages from each of its queues, as they do after some restarts of Redis."""
    from celery import Celery

    from project.env import celery_broker

    with Celery(broker=celery_broker(stack.valkey.url), set_as_current=False) as app:
        for queues in app.control.inspect(timeout=3).active_queues().values():
            for queue in queues:
                app.control.cancel_consumer(queue["name"])
