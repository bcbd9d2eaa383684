"""Streams at a steady, modest rate: what a fleet sees of a server that is busy with something else.

A reading's time counts from when it was due, not from when it could be sent: a server that stalls is seen to stall.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.bench.load import Load, StreamClient, Target, connect


@dataclass(slots=True)
class Paced(Load):
    """What paced sockets count together. `period_s` is the time between two readings of one socket."""

    period_s: float = 0.1
    times_s: list[float] = field(default_factory=list)


class PacedClient(StreamClient):
    """One WebSocket that sends a reading when it is due, or when the one before is answered if that is later."""

    load: Paced

    def begin(self, first_at: float) -> None:
        """Send the first reading at that time of the event loop's clock, and then one a period."""
        self.due = first_at
        asyncio.get_running_loop().call_at(first_at, self.fire, 1)

    def answered(self, count: int) -> None:
        """Take the time of a reading, and send the next when it is due."""
        loop = asyncio.get_running_loop()
        load = self.load
        load.answers += count
        load.times_s.append(loop.time() - self.due)
        self.due += load.period_s
        if load.open:
            loop.call_at(max(self.due, loop.time()), self.fire, 1)

    def fire(self, count: int) -> None:
        """Send, unless the measurement is over."""
        if self.load.open:
            super().fire(count)


@dataclass(frozen=True, slots=True)
class Pace:
    """Round trips of one measurement in ms, sorted, and what went wrong meanwhile."""

    times_ms: tuple[float, ...]
    refused: int
    lost: int

    def percentile(self, percent: float) -> float:
        """The time that so many percent of the readings kept."""
        return self.times_ms[min(len(self.times_ms) - 1, int(len(self.times_ms) * percent / 100))]


class Pacer:
    """Paced sockets on a server, while the block lasts; `take` gives what they saw since the last `take`.

    Args:
        sockets: how many, each with one reading in flight.
        per_second: readings a second of all sockets together.
    """

    def __init__(self, target: Target, *, sockets: int = 32, per_second: float = 320) -> None:
        self._sockets = sockets
        self._load = Paced(target, in_flight=0, period_s=sockets / per_second)
        self._clients: list[Any] = []

    async def __aenter__(self) -> "Pacer":
        self._clients = await connect(self._load.target, self._load, self._sockets, PacedClient)
        now = asyncio.get_running_loop().time()
        for number, client in enumerate(self._clients):
            client.begin(now + self._load.period_s * number / self._sockets)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._load.open = False
        for client in self._clients:
            client.transport.abort()
        await asyncio.sleep(0.05)

    def take(self) -> Pace:
        """What was seen since the last time."""
        load = self._load
        taken = Pace(tuple(sorted(time_s * 1000 for time_s in load.times_s)), load.refused, load.lost)
        load.times_s, load.refused, load.lost = [], 0, 0
        return taken

    async def measure(self, seconds: float) -> Pace:
        """What is seen from now on for so long."""
        self.take()
        await asyncio.sleep(seconds)
        return self.take()
