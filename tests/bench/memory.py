"""What a socket that only stays open costs the server in memory."""

import asyncio

import psutil

from tests.bench import servers
from tests.bench.load import Load, StreamClient, Target, connect
from tests.bench.pairs import Spread
from tests.bench.readings import frames
from tests.bench.report import Report
from tests.bench.streams import PATH
from tests.faults.stack import Stack

GOAL_KIB = 20.0
SETTLE_S = 1.0


async def bench(report: Report, stack: Stack, *, rounds: int, sockets: int) -> None:
    """Open many sockets on a server just started, and divide what its resident memory grew by their number."""
    print(f"\nMemory: growth of resident memory over {sockets:,} idle sockets")
    ours, bare = [], []
    for _ in range(rounds):
        stack.web_stop()
        stack.heal()
        assert stack.web is not None
        foretell = Target(stack.host, stack.port, stack.web.pid, frames(1), PATH, stack.token, says_hello=True)
        ours.append(await _kib_each(foretell, sockets))
        with servers.bare() as (port, pid):
            bare.append(await _kib_each(Target(stack.host, port, pid, frames(1)), sockets))
    report.line("KiB a socket, Foretell", Spread(tuple(ours)))
    report.line("KiB a socket, bare echo", Spread(tuple(bare)))
    report.at_most("KiB an idle socket", GOAL_KIB, Spread(tuple(ours)))


async def _kib_each(target: Target, sockets: int) -> float:
    process = psutil.Process(target.pid)
    # The first sockets pay for what is loaded once.
    load = Load(target, in_flight=1)
    clients = await connect(target, load, 50, StreamClient)
    before = process.memory_info().rss
    clients += await connect(target, load, sockets, StreamClient)
    await asyncio.sleep(SETTLE_S)
    grown = process.memory_info().rss - before
    load.open = False
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(SETTLE_S)
    return grown / sockets / 1024
