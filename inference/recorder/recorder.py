"""The group commit: entries gather while a group is being stored, and are told in order once they are."""

import asyncio
from collections.abc import Callable, Sequence

import psycopg
import structlog

from inference.errors import AuditUnavailable, Internal, StorageFull
from inference.recorder.answers import Answers
from inference.recorder.attempt import Attempt
from inference.recorder.availability import Availability
from inference.recorder.backend import Backend
from inference.recorder.entries import Entry, ParticipantKind
from inference.recorder.groups import Group, Queue
from inference.recorder.recovery import FIRST_PAUSE_S, LONGEST_PAUSE_S, replacement
from inference.recorder.rejections import Rejections
from inference.recorder.writer import Writer

GROUP_TIMEOUT_S = 4.5
"""A transaction that takes longer than Postgres allows any statement: the server hangs."""
STOP_TIMEOUT_S = 10.0
_TICK_S = 0.25
_REJECTIONS_EVERY_S = 1.0

_BAD_VALUE = frozenset({"22", "23", "54"})
"""Classes of SQLSTATE that blame a row: data exception, constraint violation, program limit exceeded."""
_LOCKED = frozenset({"55P03", "40001", "40P01"})
_DISK_FULL = "53100"

logger = structlog.get_logger(__name__)


class Recorder:
    """Stores entries, many in one transaction, and tells each what became of it.

    While a group is under way the next one gathers; there is no timer. Everything happens on one event loop.

    Args:
        participants: the kinds of conditions that entries may bring, in the order of their locks.
    """

    def __init__(self, dsn: str, participants: Sequence[ParticipantKind] = ()) -> None:
        self._dsn = dsn
        self._kinds = tuple(participants)
        self._queue = Queue()
        self._rejections = Rejections()
        self._rejections_at = 0.0
        self._availability = Availability()
        self._answers = Answers()
        self._writer: Writer | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._scheduled = False
        self._resting = False
        self._pause_s = FIRST_PAUSE_S
        self._troubled = self._full = self._stopping = False
        self._in_doubt = 0
        self._drained = asyncio.Event()

    # ---- What others call -------------------------------------------------------------------------------------------

    @property
    def available(self) -> bool:
        """Whether predictions can be stored now, as far as is known."""
        return self._availability.value

    def on_availability(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call `listener(available)` whenever that changes, until the returned function is called."""
        return self._availability.listen(listener)

    async def start(self) -> None:
        """Connect. Without a database it starts all the same, unavailable, and goes on trying.

        Raises:
            DatabaseUnsafe: the server may lose what it commits.
        """
        self._loop = asyncio.get_running_loop()
        try:
            self._connected(await Backend.open(self._dsn))
        except (psycopg.Error, OSError) as error:
            logger.warning("the database can't be reached", reason=str(error))
            self._recover(None)
        self._ticker = self._loop.call_later(_TICK_S, self._tick)

    async def stop(self, timeout_s: float | None = None) -> None:
        """Store what was submitted, for at most `timeout_s` (10 s), then fail what is left and disconnect."""
        self._stopping = True
        self._rejections_at = 0.0
        self._schedule()
        try:
            if self._writer is not None or self._queue or self._in_doubt:
                async with asyncio.timeout(STOP_TIMEOUT_S if timeout_s is None else timeout_s):
                    await self._drained.wait()
        except TimeoutError:
            logger.error("recording stopped with groups in doubt", in_doubt=self._in_doubt)
        self._ticker.cancel()
        if self._writer is not None and self._writer.busy:
            self._writer.lose("the recorder stopped")
        for entry in self._queue.take_all():
            self._answers.fail(entry, AuditUnavailable())
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    def submit(self, entry: Entry) -> None:
        """Store an entry and tell it; never calls it back before returning.

        Raises:
            ValueError: a participant is of a kind that is not registered.
        """
        if entry.participants and any(one.kind not in self._kinds for one in entry.participants):
            raise ValueError("A participant's kind must be registered with the recorder.")
        if self._stopping:
            self._loop.call_soon(self._answers.fail, entry, AuditUnavailable())
            return
        self._queue.add(entry)
        self._schedule()

    def store_behind(self, entry: Entry) -> bool:
        """Store an entry whose answer has already left, unless too many such rows wait.

        Returns:
            Whether it was taken. If not, nothing was done: submit it, and answer when it is stored.
        """
        if self._stopping or not self._answers.expect_behind(entry):
            return False
        self.submit(entry)
        return True

    def reject(self, endpoint_id: int, device_id: int | None, code: str) -> None:
        """Count a refused reading; counts are stored at most once a second."""
        self._rejections.add(endpoint_id, device_id, code)

    # ---- One group after the other ----------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Begin a group at the end of this turn of the loop, so that what is submitted in one turn goes together."""
        if not self._scheduled and self._writer is not None and not self._writer.busy:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Start the next group, if there is one and nothing is in the way."""
        self._scheduled = False
        writer = self._writer
        if writer is None or writer.busy or self._resting:
            return
        while (group := self._next_group()) is not None:
            try:
                writer.begin(Attempt(group, self._kinds, self, probing=self._full))
            except UnicodeEncodeError:
                self._isolate(group, "a text is not Unicode")
            except Exception:
                logger.exception("a group could not be written as SQL", entries=len(group.entries))
                self._isolate(group, "it can't be written as SQL")
            else:
                return
        if self._stopping and not self._rejections:
            self._drained.set()

    def _next_group(self) -> Group | None:
        group = self._queue.next()
        if self._rejections and self._loop.time() >= self._rejections_at:
            group = group or Group([])
            group.counts = self._rejections.take()
            self._rejections_at = self._loop.time() + _REJECTIONS_EVERY_S
        if group is None and self._troubled and not self._stopping:
            # Nobody submits while recording is unavailable: an empty group finds out whether it works again.
            return Group([])
        return group

    def attempt_committed(self, group: Group) -> None:
        """A group is stored: the next one starts, then this one is told."""
        self._troubled = self._full = False
        self._pause_s = FIRST_PAUSE_S
        self._availability.set(True)
        self._begin()
        self._answers.release(group)

    def attempt_failed(self, group: Group, sqlstate: str, message: str) -> None:
        """Nothing of a group is stored: find the entry that is to blame, or wait and try again."""
        if sqlstate[:2] in _BAD_VALUE:
            self._isolate(group, f"{sqlstate}: {message}")
            self._begin()
            return
        logger.warning("a group was not stored", sqlstate=sqlstate, reason=message, entries=len(group.entries))
        if sqlstate in _LOCKED and len(group.entries) > 1 and any(group.participants):
            self._rejections.give_back(group.counts)
            self._queue.put_back_halves(group)
        else:
            self._keep(group)
        self._full = sqlstate == _DISK_FULL
        if self._full or self._troubled:
            self._availability.set(False)
        self._troubled = True
        self._rest()

    def attempt_lost(self, group: Group, xid: str | None, reason: str) -> None:
        """The connection broke under a group: find out what became of it, over a new connection."""
        lost = self._writer.backend if self._writer is not None else None
        self._writer = None
        logger.warning("database_connection_lost", reason=reason, entries=len(group.entries), xid=xid)
        if xid is None:
            self._keep(group)
            self._recover(lost)
        else:
            self._recover(lost, group, xid)

    def _keep(self, group: Group) -> None:
        """Put a group that is not stored back in front."""
        self._rejections.give_back(group.counts)
        self._queue.put_back(group)

    def _isolate(self, group: Group, reason: str) -> None:
        """Split a group that holds something that can't be stored, until that is alone; then only it fails."""
        if group.counts:
            logger.warning("recording_split_from_rejections", reason=reason)
            self._keep(group)
        elif len(group.entries) > 1:
            self._queue.put_back_halves(group)
        else:
            for entry in group.entries:
                logger.error("prediction_not_storable", request_id=entry.request_id, reason=reason)
                # Later, since the group before this one may not have been told yet.
                self._loop.call_soon(self._answers.fail, entry, Internal(entry.request_id))

    # ---- When something is in the way -------------------------------------------------------------------------------

    def _connected(self, backend: Backend) -> None:
        self._writer = Writer(backend, self._lost_idle)
        if not self._troubled:
            self._availability.set(True)

    def _lost_idle(self, reason: str) -> None:
        lost = self._writer.backend if self._writer is not None else None
        self._writer = None
        logger.warning("database_connection_lost", reason=reason)
        self._recover(lost)

    def _recover(self, lost: Backend | None, group: Group | None = None, xid: str | None = None) -> None:
        """Connect anew; with a group and its transaction, find out first whether that was committed."""
        self._in_doubt = 0 if group is None else len(group.entries)
        self._recovery = self._loop.create_task(self._reconnect(lost, group, xid))

    async def _reconnect(self, lost: Backend | None, group: Group | None, xid: str | None) -> None:
        backend, committed = await replacement(
            self._dsn,
            lost,
            xid,
            None if group is None else group.first_id(),
            on_failure=lambda: self._availability.set(False),
        )
        self._recovery = None
        self._in_doubt = 0
        self._connected(backend)
        if group is not None and committed:
            self.attempt_committed(group)
            return
        if group is not None:
            self._keep(group)
        self._begin()

    def _rest(self) -> None:
        """Wait a little, longer each time, before the next try."""
        self._resting = True
        self._loop.call_later(self._pause_s, self._wake)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _wake(self) -> None:
        self._resting = False
        self._begin()

    def _tick(self) -> None:
        """Four times a second: notice a hung server, fail what waits for too long, store counts."""
        try:
            if self._writer is not None and self._writer.busy_for() > GROUP_TIMEOUT_S:
                self._availability.set(False)
                self._writer.lose(f"no answer for {GROUP_TIMEOUT_S:g} s")
            for entry in self._queue.take_late(self._loop.time()):
                self._answers.fail(entry, StorageFull() if self._full else AuditUnavailable())
            if self._rejections or self._troubled:
                self._schedule()
        except Exception:
            logger.exception("recording_tick_failed")
        self._ticker = self._loop.call_later(_TICK_S, self._tick)
