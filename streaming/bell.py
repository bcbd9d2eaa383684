"""A wake-up call between two tasks of one socket."""

import asyncio


class Bell:
    """Wakes the one task that waits for it. Rung while nobody waits, it wakes the next wait at once.

    `asyncio.Event` serves any number of waiters and keeps a deque for them: 760 bytes, twice a socket.
    """

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake the waiter, or the next one."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Return once the bell has rung since the last return."""
        if not self._rung:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._rung = False
