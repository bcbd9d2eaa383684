"""F5: the line to Postgres is cut at the commit, so that nobody knows at first whether it happened."""

import pytest

from tests.faults.checker import Checker
from tests.faults.crowd import Crowd
from tests.faults.history import History
from tests.faults.proxy import COPY_DONE, Cut, Proxy
from tests.faults.stack import Stack

pytestmark = pytest.mark.fault

CUTS = 3


@pytest.mark.parametrize("cut", ["before", "sent", "answered"])
async def test_a_commit_of_unknown_outcome_is_neither_lost_nor_doubled(
    stack: Stack, proxy: Proxy, history: History, cut: Cut
) -> None:
    async with Crowd(stack, history, f"f5{cut}", sockets=10, callers=2) as crowd:
        for _ in range(CUTS):
            # The end of a COPY is the last thing before the implicit commit.
            proxy.cut_at(lambda message: message.kind == COPY_DONE, cut)
            await proxy.has_cut.wait()
            await crowd.everyone_is_answered(times=5)

    assert proxy.cuts == CUTS
    assert history.of("fail") == []
    assert history.of("info") == []
    assert [sender.connections for sender in crowd.senders] == [1] * 10
    assert Checker(stack, history).problems() == []
