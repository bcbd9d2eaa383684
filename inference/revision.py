"""The one row that every process follows to learn that something live, or somebody's rights, changed.

Triggers count the row up in the same commit as the change, so whoever sees a number sees at least that change.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog

from inference.database import Database, DatabaseUnavailable

POLL_S = 1.0
STALE_AFTER_S = 30.0
"""A process that could not look for this long no longer knows what is live."""

logger = structlog.get_logger(__name__)


class Revision:
    """Polls the revision row once a second and tells its listeners when the number is another one.

    Args:
        database: where the row is.
        poll_s: seconds between two looks.
        clock: seconds that only rise.
    """

    def __init__(
        self, database: Database, *, poll_s: float = POLL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._poll_s = poll_s
        self._clock = clock
        self._number: int | None = None
        self._seen_at_s: float | None = None
        self._failing = False
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def stale(self) -> bool:
        """Whether the row was never seen, or not for 30 s."""
        return self._seen_at_s is None or self._clock() - self._seen_at_s > STALE_AFTER_S

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop, without waiting, whenever the number has changed.

        Returns:
            What ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def start(self) -> None:
        """Look once, then go on looking until `stop`. A database that is away is no error: it is asked again."""
        await self._look()
        self._task = asyncio.create_task(self._follow(), name="revision")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                await self._look()
            except Exception:
                logger.exception("the revision can't be read")

    async def _look(self) -> None:
        try:
            rows = await self._database.fetch("SELECT number FROM inference_revision")
        except DatabaseUnavailable as error:
            if not self._failing:
                logger.warning("the revision can't be read", reason=str(error))
            self._failing = True
            return
        self._failing = False
        number = rows[0][0] if rows else 0
        self._seen_at_s = self._clock()
        if number == self._number:
            return
        self._number = number
        for listener in list(self._listeners):
            listener()
