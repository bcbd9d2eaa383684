"""The load generator against the bare application: what it counts is what was answered."""

import asyncio

from tests.bench import load, servers
from tests.bench.bare import ANSWER
from tests.bench.load import HttpClient, Load, StreamClient, Target, connect
from tests.bench.pairs import Pairs, Spread
from tests.bench.readings import frames, requests, text_frame


class Watched(StreamClient):
    """Says when everything it sent has been answered."""

    owed = 0

    def fire(self, count: int) -> None:
        self.owed += count
        self.settled = asyncio.Event()
        super().fire(count)

    def answered(self, count: int) -> None:
        super().answered(count)
        self.owed -= count
        if not self.owed:
            self.settled.set()

    async def echo(self, count: int) -> None:
        """Send so many and wait for their echoes."""
        self.fire(count)
        async with asyncio.timeout(10):
            await self.settled.wait()


async def test_every_echo_is_counted_once() -> None:
    with servers.bare() as (port, pid):
        counted = Load(Target("127.0.0.1", port, pid, frames(100)), in_flight=7, open=False)
        [client] = await connect(counted.target, counted, 1, Watched)
        for burst in range(1, 6):
            await client.echo(7)
            assert counted.answers == 7 * burst
        client.transport.abort()
        await asyncio.sleep(0)


async def test_a_frame_longer_than_a_read_is_counted_once() -> None:
    with servers.bare() as (port, pid):
        long = [text_frame(b"x" * 65_000)]
        counted = Load(Target("127.0.0.1", port, pid, long), in_flight=1, open=False)
        [client] = await connect(counted.target, counted, 1, Watched)
        await client.echo(1)
        client.transport.abort()
        await asyncio.sleep(0)

    assert (counted.answers, client.rest) == (1, b"")


async def test_http_answers_are_counted_and_refusals_told() -> None:
    bodies = [{"features": {}}]
    with servers.bare() as (port, pid):
        good = Target("127.0.0.1", port, pid, requests(1, path="/", bodies=bodies, headers={}))
        rate = await load.run(good, sockets=2, in_flight=1, kind=HttpClient, warm_up_s=0, measured_s=1)
        assert rate.per_second > 0
        assert rate.refused == rate.lost == 0

        bad = Target("127.0.0.1", port, pid, [b"NOT HTTP\r\n\r\n"])
        rate = await load.run(bad, sockets=1, in_flight=1, kind=HttpClient, warm_up_s=0, measured_s=1)

    assert rate.refused + rate.lost > 0
    assert b"stored" in ANSWER


def test_ratios_are_of_each_pair() -> None:
    def rate(per_second: float) -> load.Rate:
        return load.Rate(per_second, cpu_us=1, p50_ms=1, refused=0, lost=0, first_refusal="")

    pairs = Pairs([rate(10), rate(30), rate(20)], [rate(100), rate(100), rate(50)])

    assert pairs.ratio == Spread((0.1, 0.3, 0.4))
    assert str(pairs.ratio) == "0.30 (0.10 to 0.40)"
