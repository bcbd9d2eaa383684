"""F23: two beats at once, one of them killed around the moment when something is due."""

import asyncio
import random

import pytest

from tests.faults.slots import Slots
from tests.faults.stack import Stack

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(600)]

SCHEDULES, MINUTES = 10, 3


async def test_each_slot_is_started_once_by_two_beats_of_which_one_is_killed(stack: Stack) -> None:
    stack.crew.worker()
    beats = [stack.crew.beat(), stack.crew.beat()]
    stack.crew.wait_ready()
    chance = random.Random(23)
    with Slots(stack, "beats", SCHEDULES) as slots:
        for minute in range(MINUTES):
            await slots.next_minute(early_s=0.2)
            await asyncio.sleep(chance.uniform(0, 0.4))
            chance.choice(beats).kill()
            await slots.each_started(minute + 1, timeout_s=50)
            stack.crew.tend()
        started = slots.started()

    assert slots.wrong() == []
    assert {len(set(found)) for found in started.values()} == {MINUTES}
