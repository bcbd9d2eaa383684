"""F25: versions go live one after the other under load, over streams and REST."""

import asyncio
import itertools

import pytest

from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.deployer import Deployer
from tests.faults.history import History
from tests.faults.stack import Stack

pytestmark = pytest.mark.fault

TAGS = ("gradient_boosting-1.0.0", "logistic_regression-1.0.0", "random_forest-1.0.0")


@pytest.mark.parametrize("swaps", [4, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_versions_go_live_under_load_without_a_failed_request(stack: Stack, history: History, swaps: int) -> None:
    first = stack.champion()
    with Deployer(stack) as deployer:
        async with Crowd(stack, history, f"f25x{swaps}", sockets=20, callers=4) as crowd:
            for tag in itertools.islice(itertools.cycle(TAGS), swaps):
                await asyncio.to_thread(deployer.deploy, tag)
                await crowd.everyone_is_answered_by(tag)
        deployer.deploy(first)

    assert history.of("fail") == []
    assert history.of("info") == []
    assert [sender.connections for sender in crowd.senders] == [1] * 20
    assert {operation.version for operation in history} == set(TAGS)
    assert Checker(stack, history).problems() == []
