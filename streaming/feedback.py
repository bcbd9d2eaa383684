"""The feedback of one socket on its way into the database: in the order it came, what has gathered in one go."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from inference.callers import Caller
from inference.database import Database
from inference.engine.errors import ForetellError
from inference.errors import InsufficientScope, Internal
from inference.feedback import Told, feedback_store
from streaming.answers import Slot
from streaming.session import Session

logger = structlog.get_logger(__name__)


class FeedbackLine:
    """Stores what a socket tells, and fills the slots once it is committed.

    One statement is under way at a time, so a correction never overtakes what it corrects; what comes meanwhile waits
    for the next one. The session's window bounds how much that is.
    """

    def __init__(self, database: Database, caller: Caller, session: Session, on_answer: Callable[[], None]) -> None:
        """Begin with nothing to store.

        Args:
            on_answer: called whenever slots were filled.
        """
        self._database = database
        self._caller = caller
        self._session = session
        self._on_answer = on_answer
        self._waiting: list[Slot] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, slot: Slot) -> None:
        """Take a slot that holds a truth. Its answer comes in the slot's turn."""
        if "feedback" not in self._caller.scopes:
            self._session.refuse(slot, InsufficientScope("feedback"))
            self._on_answer()
            return
        self._waiting.append(slot)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store(), name="stream feedback")

    def speak_for(self, caller: Caller) -> None:
        """Take the caller as it is now: what its credential may no longer reach, it can't speak of."""
        self._caller = caller

    async def finish(self) -> None:
        """Wait until all that was taken is stored or refused."""
        if self._task is not None:
            await self._task

    async def _store(self) -> None:
        while self._waiting:
            slots, self._waiting = self._waiting, []
            for slot, outcome in zip(slots, await self._outcomes(slots), strict=True):
                if isinstance(outcome, Told):
                    self._session.told(slot, outcome.duplicate)
                else:
                    self._session.refuse(slot, outcome)
            self._on_answer()

    async def _outcomes(self, slots: Sequence[Slot]) -> Sequence[Told | ForetellError]:
        truths = [slot.truth for slot in slots if slot.truth is not None]
        try:
            return await feedback_store(database=self._database, items=truths, caller=self._caller)
        except ForetellError as error:
            return [error] * len(slots)
        except Exception:
            logger.exception("feedback could not be stored", session=self._session.id)
            return [Internal(self._session.id)] * len(slots)
