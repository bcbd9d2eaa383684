"""Getting a new backend in place of a lost one, however long that takes."""

import asyncio
import time
from collections.abc import Callable

import psycopg
import structlog

from inference.database import DatabaseUnsafe
from inference.recorder.backend import Backend

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

logger = structlog.get_logger(__name__)


async def replacement(
    dsn: str, lost: Backend | None, xid: str | None, first_id: str | None, *, on_failure: Callable[[], None]
) -> tuple[Backend, bool]:
    """A new backend, and whether the lost one committed its last transaction; tried until it works.

    Args:
        dsn: a libpq address.
        lost: the backend that was lost, if there was one.
        xid: its transaction, if that may have been committed.
        first_id: the id of one row that the transaction stores.
        on_failure: called each time a try fails.
    """
    pause_s = FIRST_PAUSE_S
    if lost is not None and time.monotonic() - lost.opened_at < LONGEST_PAUSE_S:
        # Connections that break at once, whatever breaks them, must not be opened in a tight loop.
        await asyncio.sleep(FIRST_PAUSE_S)
    while True:
        try:
            return await Backend.replace(dsn, lost, xid, first_id)
        except DatabaseUnsafe as error:
            logger.error("the database would not keep what it commits", reason=str(error))
        except (psycopg.Error, OSError) as error:
            logger.warning("the database can't be reached", reason=str(error))
        except Exception:
            logger.exception("reconnecting failed")
        on_failure()
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
