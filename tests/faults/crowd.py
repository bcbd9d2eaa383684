"""Many clients at once, running beside a test."""

import asyncio
import itertools
from collections.abc import Iterator

from tests.bench.readings import rows
from tests.faults.client import Caller, Sender
from tests.faults.history import History
from tests.faults.stack import Stack

START_S = 30
ANSWER_S = 60


class Crowd:
    """Senders on sockets of their own and callers over REST. Inside the context all of them run.

    Args:
        name: begins every client id, so that one test's rows are told from another's.
        sockets: how many senders.
        callers: how many callers.
        window: readings in flight a socket.
        poison_at: on the first sender, the position of the reading that Postgres is to refuse.
    """

    def __init__(
        self,
        stack: Stack,
        history: History,
        name: str,
        *,
        sockets: int,
        callers: int = 0,
        window: int = 4,
        poison_at: int | None = None,
    ) -> None:
        readings = rows(5000)
        self.senders = [
            Sender(
                stack,
                history,
                f"{name}s{number}",
                _from(readings, number * 97),
                window=window,
                poison_at=poison_at if number == 0 else None,
            )
            for number in range(sockets)
        ]
        self.callers = [
            Caller(stack, history, f"{name}c{number}", _from(readings, number * 89)) for number in range(callers)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def _all(self) -> list[Sender | Caller]:
        return [*self.senders, *self.callers]

    async def __aenter__(self) -> "Crowd":
        self._tasks = [asyncio.create_task(client.run()) for client in self._all]
        await self.everyone_is_answered(timeout_s=START_S)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for client in self._all:
            client.stop()
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        try:
            async with asyncio.timeout(ANSWER_S):
                results = await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            for task in self._tasks:
                task.cancel()
        if kind is None:
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def everyone_is_answered(self, times: int = 1, timeout_s: float = ANSWER_S) -> None:
        """Return when every client got `times` more answers than it has now.

        Raises:
            TimeoutError: someone did not.
        """
        wanted = [(client, client.answers + times) for client in self._all]
        async with asyncio.timeout(timeout_s):
            for client, number in wanted:
                await client.reaches(number)

    async def everyone_is_answered_by(self, version: str, timeout_s: float = 20) -> None:
        """Return when the last answer of every client is from that version.

        Raises:
            TimeoutError: someone's is not.
        """
        async with asyncio.timeout(timeout_s):
            for client in self._all:
                await client.is_answered_by(version)

    async def everyone_is_told(self, event: str, timeout_s: float = 10) -> None:
        """Return when every sender got that event since it was last asked for.

        Raises:
            TimeoutError: someone did not.
        """
        async with asyncio.timeout(timeout_s):
            for sender in self.senders:
                await sender.is_told(event)


def _from(readings: list[tuple[float, ...]], start: int) -> Iterator[tuple[float, ...]]:
    return itertools.islice(itertools.cycle(readings), start, None)
