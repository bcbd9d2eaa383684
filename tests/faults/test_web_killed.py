"""F1: the web process is killed while fifty streams send."""

import asyncio
import random

import pytest

from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.history import History
from tests.faults.stack import Stack

pytestmark = pytest.mark.fault


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
async def test_every_answer_seen_before_a_kill_is_stored_once(stack: Stack, history: History, kills: int) -> None:
    chance = random.Random(kills)
    async with Crowd(stack, history, f"f1x{kills}", sockets=50, callers=2) as crowd:
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.1, 0.9))
            stack.web_kill()
            stack.web_start()
            # As many as were in flight may have been answered before the kill, and are read only now.
            await crowd.everyone_is_answered(times=crowd.senders[0].window + 1)

    assert all(sender.connections == kills + 1 for sender in crowd.senders)
    assert history.of("info"), "the kill met nothing in flight, so it proves nothing"
    assert len(history.of("ok")) > 50 * (kills + 1)
    assert Checker(stack, history).problems() == []
