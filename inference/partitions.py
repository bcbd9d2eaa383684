"""The daily partitions of the predictions: made ahead, and dropped when their time is over.

A partition holds the ids of one UTC day. The default partition catches ids of days that have none, so that no
prediction is lost; a row in it is an alarm, because it slows every list down.
"""

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from inference import ids

TABLE = "inference_prediction"
DEFAULT = f"{TABLE}_default"
DAYS_AHEAD = 7

_LOCK_TIMEOUT_MS = 200
"""How long inserts may queue behind one try to take the table's lock."""
_TRIES = 50
_PAUSE_S = 0.2
_ADVISORY_LOCK = 0x466F7265
"""Two processes that maintain partitions at once take turns."""
_LOCK_NOT_AVAILABLE = "55P03"

logger = structlog.get_logger(__name__)


def ensure(days_ahead: int = DAYS_AHEAD, *, now: datetime.datetime | None = None) -> list[str]:
    """Make the partitions from yesterday to `days_ahead` days from now that do not exist yet.

    Rows that wait in the default partition for one of these days are moved into it.

    Args:
        days_ahead: how many days after today get a partition.
        now: an aware time to use instead of the clock's.

    Returns:
        The names of the partitions made.

    Raises:
        OperationalError: the table stayed locked through every try.
    """
    today = _day(now)
    days = [today + datetime.timedelta(days=offset) for offset in range(-1, days_ahead + 1)]
    existing = _attached()
    missing = [day for day in days if _name(day) not in existing]
    return [_name(day) for day in missing if _persistently(_create, day)]


def expire(retention_days: int, *, now: datetime.datetime | None = None) -> list[str]:
    """Drop the partitions whose last id is older than `retention_days` days, and such rows of the default partition.

    Args:
        retention_days: how many whole days are kept.
        now: an aware time to use instead of the clock's.

    Returns:
        The names of the partitions dropped.

    Raises:
        OperationalError: the table stayed locked through every try.
    """
    first_kept = _day(now) - datetime.timedelta(days=retention_days)
    oldest_name = _name(first_kept)
    for name in sorted(_attached()):
        if name < oldest_name:
            _persistently(_detach, name)
    # Detached ones are found by name, so a partition that an interrupted run left detached is dropped too.
    dropped = sorted(name for name in _daily_tables() - _attached() if name < oldest_name)
    with connection.cursor() as cursor:
        for name in dropped:
            cursor.execute(f'DROP TABLE IF EXISTS "{name}"')
        cursor.execute(f"DELETE FROM {DEFAULT} WHERE id < %s", [ids.floor(_start(first_kept))])
    return dropped


def stray_rows() -> int:
    """How many predictions lie in the default partition, counted up to 1,000. Anything but 0 is logged as an error."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {DEFAULT} LIMIT 1000) AS stray")
        count: int = cursor.fetchone()[0]
    if count:
        logger.error("predictions_in_the_default_partition", rows=count)
    return count


def _create(day: datetime.date) -> bool:
    """Attach a new partition of one day, with what the default one holds of it; false if another process did."""
    name = _name(day)
    low, high = ids.floor(_start(day)), ids.floor(_start(day + datetime.timedelta(days=1)))
    with _maintenance() as cursor:
        if name in _attached():
            return False
        # ATTACH would lock and scan the default partition anyway. Locked first, no row can slip in between.
        cursor.execute(f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f'CREATE TABLE "{name}" (LIKE {TABLE} INCLUDING ALL)')
        cursor.execute(
            f"WITH moved AS (DELETE FROM {DEFAULT} WHERE id >= %s AND id < %s RETURNING *)"
            f' INSERT INTO "{name}" SELECT * FROM moved',
            [low, high],
        )
        if cursor.rowcount:
            logger.error("rows_left_the_default_partition", partition=name, rows=cursor.rowcount)
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION \"{name}\" FOR VALUES FROM ('{low}') TO ('{high}')")
    return True


def _detach(name: str) -> bool:
    """Detach one partition; inserts wait meanwhile, so it only tries for a short time."""
    with _maintenance() as cursor:
        if name in _attached():
            cursor.execute(f'ALTER TABLE {TABLE} DETACH PARTITION "{name}"')
    return True


@contextmanager
def _maintenance() -> Iterator[CursorWrapper]:
    """One transaction in which only one process maintains partitions, with a short wait for locks."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        cursor.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = '10min'")
        yield cursor


def _persistently(action: Callable[[Any], bool], argument: object) -> bool:
    """Run one action, again and again while another session holds the lock it needs."""
    for _ in range(_TRIES - 1):
        try:
            return action(argument)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            time.sleep(_PAUSE_S)
    return action(argument)


def _attached() -> set[str]:
    """The names of the daily partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = %s::regclass AND relname <> %s",
            [TABLE, DEFAULT],
        )
        return {name for (name,) in cursor.fetchall()}


def _daily_tables() -> set[str]:
    """The names of all tables that are daily partitions, or were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s"
            " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %s::regclass)",
            [f"^{TABLE}_[0-9]{{8}}$", TABLE],
        )
        return {name for (name,) in cursor.fetchall()}


def _name(day: datetime.date) -> str:
    return f"{TABLE}_{day:%Y%m%d}"


def _day(now: datetime.datetime | None) -> datetime.date:
    return (now or datetime.datetime.now(datetime.UTC)).astimezone(datetime.UTC).date()


def _start(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC)
