"""What a worker does with batch jobs: it takes one piece of work after another until nothing is left."""

import errno
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection

from jobs import storage
from jobs.batch import chunks, reading
from jobs.errors import LeaseLost, StorageUnavailable
from jobs.leases import LEASE_S, Lease, held
from jobs.models import BatchJob, Chunk
from jobs.replay import replay

LOOK_S = 20.0
"""How long one look at the tables goes on taking work."""
RETRY_S = 1.0
MOST_REFUSED = 3
"""Pieces of work one after another for which the storage is not there: then it is so for all others too."""

_TROUBLE = (OperationalError, InterfaceError, StorageUnavailable)
_AWAY = ("08", "40", "53", "57")
"""Classes of SQLSTATE that are no fault of the work: no connection, a deadlock, no room, a server that ends."""
_CANCELLED = "57014"
"""A statement that took too long, which it may do again."""

Stopping = Callable[[], bool]
Work = Callable[[Lease], None]
GiveBack = Callable[[Lease, bool], None]
Refuse = Callable[[Lease, StorageUnavailable], None]
logger = structlog.get_logger(__name__)


def work(*, for_s: float = LOOK_S, stopping: Stopping = lambda: False) -> bool:
    """Read jobs, work on chunks and report on replays, until there is nothing left or the worker is to stop.

    Args:
        for_s: how long to take more.

    Returns:
        Whether there may be more to do at once. Not while Postgres or the storage is away: the sweeper looks again.
    """
    until_s = time.monotonic() + for_s
    look = _Look(stopping)
    try:
        while not stopping():
            if not look.next():
                return False
            if time.monotonic() > until_s:
                return not look.refusals
    except Exception as error:
        if not _is_away(error):
            raise
        connection.close()
        logger.warning("a worker waits for Postgres or the storage", reason=_brief(error))
        return False
    return True


class _Look:
    """One look at the tables. What the storage refuses rests for a while, and nothing else waits for it.

    `refusals` counts those one after another until now for which the storage was away.
    """

    def __init__(self, stopping: Stopping) -> None:
        self.refusals = 0
        self._stopping = stopping
        self._refused: dict[type[Any], list[Any]] = defaultdict(list)

    def next(self) -> bool:
        """Do one piece of work, if there is one. One that fails is left for another try, by whoever comes first."""
        jobs, pieces = self._refused[BatchJob], self._refused[Chunk]
        if (lease := reading.claim_unread(besides=jobs)) is not None:
            self._try(lease, reading.read, reading.give_back, reading.refuse)
        elif (lease := chunks.claim_waiting(besides=pieces)) is not None:
            self._try(lease, chunks.work, chunks.give_back, chunks.refuse)
        elif (lease := replay.claim_unreported(besides=jobs)) is not None:
            self._try(lease, replay.report, replay.give_back, replay.refuse)
        else:
            return False
        return True

    def _try(self, lease: Lease, work: Work, give_back: GiveBack, refuse: Refuse) -> None:
        try:
            work(lease)
            self.refusals = 0
        except LeaseLost as error:
            logger.info("work was lost to another worker, or cancelled", reason=str(error))
        except Exception as error:
            if isinstance(error, StorageUnavailable) and self._is_refused(lease, error):
                logger.warning(
                    "the storage refuses a piece of batch work",
                    what=str(lease.id),
                    attempt=lease.attempt,
                    reason=error.reason,
                )
                with suppress(LeaseLost):
                    refuse(lease, error)
                return
            if _is_away(error):
                _give_back_soon(lease, give_back, self._stopping)
                self._leave(lease, error)
                return
            logger.exception("a piece of batch work failed", what=str(lease.id), attempt=lease.attempt)
            # By now it may be another's, or cancelled.
            with suppress(LeaseLost):
                give_back(lease, True)

    def _is_refused(self, lease: Lease, error: StorageUnavailable) -> bool:
        """Whether the storage works, but not for this piece of work."""
        if self.refusals:
            # It was away a moment ago, and finding that out takes a while.
            return False
        with held(lease):
            return storage.refused(error)

    def _leave(self, lease: Lease, error: Exception) -> None:
        """Leave a piece of work out from now on, unless what is away is all of Postgres or of the storage."""
        self.refusals += 1
        if not isinstance(error, StorageUnavailable) or self.refusals == MOST_REFUSED:
            raise error
        self._refused[lease.model].append(lease.id)
        logger.warning("a piece of batch work waits for the storage", what=str(lease.id))


def _is_away(error: Exception) -> bool:
    """Whether an error says that Postgres or the storage is away or full, and nothing of the work itself."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, _TROUBLE):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or (state[:2] in _AWAY and state != _CANCELLED)


def _give_back_soon(lease: Lease, give_back: GiveBack, stopping: Stopping) -> None:
    """Give work back without counting the attempt, if the database can be reached again before the lease ends."""
    until_s = time.monotonic() + LEASE_S
    while time.monotonic() < until_s and not stopping():
        connection.close()
        try:
            give_back(lease, False)
        except LeaseLost:
            return
        except _TROUBLE:
            time.sleep(RETRY_S)
        else:
            return


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
