"""Leases: who holds a piece of work, for how long, and whether what a holder writes still counts.

A holder renews its lease while it works. One that is killed, hangs or is stopped does not, and after `LEASE_S` the
work is anybody's again, under a new token. What the old holder writes then finds no row with its token.
"""

import contextlib
import datetime
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from jobs.errors import LeaseLost
from jobs.models import Leased

LEASE_S = 30
RENEW_S = 8
GONE_S = 2
REST_S = 120
"""For so long nobody tries work again that the storage refused: whoever runs that needs time to mend it."""
MOST_ATTEMPTS = 3
"""A piece of work that ended its worker so often is not tried again."""
POISON = "poison"
"""The code of such work."""

STOPPED_S = 10
"""A transaction that is younger may be of somebody who claims the row at this moment."""
_OLD = """
SELECT 1 FROM pg_stat_activity
 WHERE backend_xid IS NOT NULL AND xact_start < now() - make_interval(secs => %s) AND usename = current_user LIMIT 1
"""
# A row's xmax is the transaction that has it locked.
_END_STOPPED = """
SELECT pg_terminate_backend(session.pid) FROM {} AS work JOIN pg_stat_activity AS session
    ON session.backend_xid = work.xmax
 WHERE work.leased_until < now() AND session.xact_start < now() - make_interval(secs => %s)
   AND session.usename = current_user
"""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """One holding of one row. `attempt` counts from 1."""

    model: type[Leased]
    id: Any
    token: int
    attempt: int

    def row(self) -> models.QuerySet[Any]:
        """The row, while this lease holds it; empty once somebody else does or the lease was given back."""
        return self.model.objects.filter(pk=self.id, token=self.token, leased_until__isnull=False)

    def update(self, **values: Any) -> None:
        """Write to the row. Call it first in the transaction of what depends on it: it also locks the row.

        Raises:
            LeaseLost: the row is held no more; whatever the transaction did must be rolled back.
        """
        if not self.row().update(**values):
            raise LeaseLost(self.model._meta.verbose_name, self.id)

    def release(self, **values: Any) -> None:
        """Write to the row and give the lease back.

        Raises:
            LeaseLost: as `update`.
        """
        self.update(leased_until=None, **values)

    def forgo(self, **values: Any) -> None:
        """Give the lease back as if it had never been taken: what stopped the work was not the work's fault.

        Raises:
            LeaseLost: as `update`.
        """
        # Whoever tries the work again, meanwhile, has set them to none.
        self.release(attempts=Greatest(F("attempts") - 1, 0), **values)

    def rest(self, **values: Any) -> None:
        """Give the work back, for others to take once it has rested. The attempt counts.

        Raises:
            LeaseLost: as `update`.
        """
        self.update(leased_until=Now() + datetime.timedelta(seconds=REST_S), **values)


def claimable() -> Q:
    """What may be claimed as far as leases go: held by nobody, or by somebody who was not heard of in time."""
    return Q(leased_until=None) | Q(leased_until__lt=Now())


def claim(rows: models.QuerySet[Any], **values: Any) -> Lease | None:
    """Hold the first row that nobody holds, or say that there is none.

    Args:
        rows: candidates in the order of preference; rows that another transaction has locked are passed over.
        values: written with the claim.
    """
    with transaction.atomic():
        row = rows.filter(claimable()).select_for_update(skip_locked=True, of=("self",)).first()
        if row is None:
            return None
        type(row).objects.filter(pk=row.pk).update(
            attempts=F("attempts") + 1, token=F("token") + 1, leased_until=_later(), holder=_holder(), **values
        )
        return Lease(type(row), row.pk, row.token + 1, row.attempts + 1)


def end_stopped(model: type[Leased]) -> int:
    """End the database sessions of holders that stopped in the middle of a transaction, in which they lock their row.

    Without a lease and yet locked, the row would be nobody's: whoever claims passes over it.

    Returns:
        How many there were.
    """
    with connection.cursor() as cursor:
        # Asked first: no index finds the rows, and there is hardly ever one.
        cursor.execute(_OLD, [STOPPED_S])
        if cursor.fetchone() is None:
            return 0
        cursor.execute(_END_STOPPED.format(connection.ops.quote_name(model._meta.db_table)), [STOPPED_S])
        ended = len(cursor.fetchall())
    if ended:
        logger.warning("ended sessions of workers that stopped within a transaction", sessions=ended)
    return ended


class Heartbeat:
    """Renews a lease from a thread of its own.

    `lost` turns true when the lease is somebody else's, or could not be renewed in its time: stop working then. It
    does so by this process's own clock of passing time, also while the thread waits for a database that hangs.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._over = threading.Event()
        self._taken = False
        self._until_s = time.monotonic() + LEASE_S

    @property
    def lost(self) -> bool:
        """Whether the lease is lost."""
        return self._taken or time.monotonic() > self._until_s

    def check(self) -> None:
        """Pass while the lease is held.

        Raises:
            LeaseLost: it is not.
        """
        if self.lost:
            raise LeaseLost(self._lease.model._meta.verbose_name, self._lease.id)

    def renew(self) -> None:
        """Renew the lease once, now; a database that is away is logged and tried again in time."""
        asked_at_s = time.monotonic()
        try:
            if self._lease.row().update(leased_until=_later()):
                self._until_s = asked_at_s + LEASE_S
            else:
                self._taken = True
        except DatabaseError as error:
            logger.warning("a lease could not be renewed", what=str(self._lease.id), reason=str(error).strip())
            connection.close()

    def _run(self) -> None:
        try:
            while not self._over.wait(RENEW_S) and not self.lost:
                self.renew()
        finally:
            connection.close()


@contextlib.contextmanager
def held(lease: Lease) -> Iterator[Heartbeat]:
    """Keep a lease alive while the block works."""
    heartbeat = Heartbeat(lease)
    thread = threading.Thread(target=heartbeat._run, name=f"lease {lease.id}", daemon=True)
    thread.start()
    try:
        yield heartbeat
    finally:
        heartbeat._over.set()
        # Not longer: a renewal that waits for a hanging database finds no lease afterwards, and does no harm.
        thread.join(GONE_S)


def _later() -> Any:
    return Now() + datetime.timedelta(seconds=LEASE_S)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{_PROCESS}"


_PROCESS = uuid.uuid4().hex[:8]
"""Tells two holders apart whose host and process number are the same, as in containers."""
