"""F22: somebody sets the clock of the machine that web, worker or beat run on."""

import asyncio

import pytest

from tests.faults.batches import Batch
from tests.faults.checker import Checker
from tests.faults.clock import Clock
from tests.faults.crowd import Crowd
from tests.faults.history import History
from tests.faults.sheets import Sheet
from tests.faults.slots import Slots
from tests.faults.stack import Stack

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(600)]

HOUR_S = 3600
JUMPS = pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S, 24 * HOUR_S], ids=["hour-on", "hour-back", "day-on"])
SEEN_S = 3


@JUMPS
async def test_streams_go_on_when_the_clock_of_web_is_set(stack: Stack, history: History, seconds: int) -> None:
    clock = Clock(stack.home / "clock")
    stack.web_stop()
    stack.web_start(**clock.environment)
    await stack.becomes(lambda: stack.get("/readyz").status == 200, "the web process is ready")
    async with Crowd(stack, history, f"f22{seconds}", sockets=20, callers=2) as crowd:
        clock.jump(seconds)
        await asyncio.sleep(SEEN_S)
        await crowd.everyone_is_answered(times=50)
        status = stack.get("/readyz").status

    assert status == 200
    assert history.of("fail") == []
    assert history.of("info") == []
    assert [sender.connections for sender in crowd.senders] == [1] * 20
    assert Checker(stack, history).problems() == []


@JUMPS
async def test_a_batch_is_done_once_when_the_clock_of_a_worker_is_set(stack: Stack, seconds: int) -> None:
    clock = Clock(stack.home / "clock")
    stack.crew.worker(**clock.environment)
    stack.crew.worker()
    stack.crew.wait_ready()
    batch = await asyncio.to_thread(Batch(stack, Sheet(300_000)).start)
    await batch.reaches(1)
    clock.jump(seconds)
    assert batch.state == "running"
    later = await asyncio.to_thread(Batch(stack, Sheet(60_000, start=5)).start)
    for job in (batch, later):
        await job.finishes(90, stack.crew.tend)

    assert batch.most_attempts() == later.most_attempts() == 1
    assert batch.problems() == []
    assert later.problems() == []


@JUMPS
async def test_slots_are_started_once_and_in_time_when_the_clock_of_beat_is_set(stack: Stack, seconds: int) -> None:
    clock = Clock(stack.home / "clock")
    stack.crew.worker()
    stack.crew.beat(**clock.environment)
    stack.crew.wait_ready()
    with Slots(stack, f"clock{seconds:+d}".replace("+", "p").replace("-", "m"), schedules=3) as slots:
        await slots.each_started(1, timeout_s=90)
        clock.jump(seconds)
        await slots.each_started(2, timeout_s=90)
        clock.jump(0)
        await slots.each_started(3, timeout_s=90)

    assert slots.wrong() == []
