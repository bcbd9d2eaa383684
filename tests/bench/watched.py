"""Streams while ten Live pages are open, against the same streams while nobody watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect

from tests.bench import load
from tests.bench.load import Rate, StreamClient, Target
from tests.bench.pairs import measure
from tests.bench.readings import frames
from tests.bench.report import Report
from tests.bench.streams import PATH
from tests.faults import people
from tests.faults.people import Person
from tests.faults.stack import Stack

PAGES = 10
DEPTHS = ((1, 1), (32, 1), (200, 8))
GOAL = 0.95
"""What is left of the rate. Ten pictures a second take some of the process's one core: about one part in a hundred."""


async def bench(report: Report, stack: Stack, *, pairs: int, measured_s: float) -> None:
    """Measure the depths with and without pages."""
    assert stack.web is not None
    target = Target(stack.host, stack.port, stack.web.pid, frames(5000), path=PATH, token=stack.token, says_hello=True)
    person = await asyncio.to_thread(people.made, stack, "watcher", "viewer")
    report.title(f"Strict streams, {PAGES} Live pages open, against none")
    for sockets, in_flight in DEPTHS:

        async def alone(sockets: int = sockets, in_flight: int = in_flight) -> Rate:
            return await load.run(
                target, sockets=sockets, in_flight=in_flight, kind=StreamClient, measured_s=measured_s
            )

        async def watched(run=alone) -> Rate:
            async with _pages(stack, person):
                return await run()

        at = f"{sockets}/{in_flight}"
        measured = (await measure({at: watched}, alone, pairs))[at]
        report.pairs(at, measured)
        report.at_least(f"strict stream with {PAGES} Live pages, {at}", GOAL, measured.ratio)


@asynccontextmanager
async def _pages(stack: Stack, person: Person) -> AsyncIterator[None]:
    """Ten open Live pages that read what they are sent; each has its first picture."""
    pages = await asyncio.gather(*(_page(stack, person) for _ in range(PAGES)))
    await asyncio.gather(*(page.recv() for page in pages))
    readers = [asyncio.create_task(_read(page)) for page in pages]
    try:
        yield
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*(page.close() for page in pages))


async def _page(stack: Stack, person: Person) -> ClientConnection:
    address = f"ws://{stack.host}:{stack.port}/ws/v1/live"
    return await connect(address, origin=person.address, additional_headers={"Cookie": person.cookies})


async def _read(page: ClientConnection) -> None:
    async for _ in page:
        pass
