"""Which devices have sockets open in a serving process, told to Postgres, where the pages of every process read it.

Readings pay nothing for it: sockets are counted as they open and close, and once a second what has changed is written
by a task of its own. A process that tells nothing for `SILENT_AFTER_S` seconds is taken for dead, and so are its
sockets; the next process that tells something clears up behind it.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from inference.database import Database, DatabaseUnavailable
from inference.errors import Overloaded

EVERY_S = 1.0
HEARTBEAT_S = 5.0
"""How often a process says that it lives when nothing has changed."""
SILENT_AFTER_S = 15.0
FORGOTTEN_AFTER_S = 60.0
STOP_TIMEOUT_S = 2.0

logger = structlog.get_logger(__name__)

# Without a list of those gone, all that are not in `devices` are: so says a process that can't know what is written.
_TELL = """
WITH heard AS (
  INSERT INTO inference_webprocess AS process (id, heard_at) VALUES (%(process)s, now())
  ON CONFLICT (id) DO UPDATE SET heard_at = now() RETURNING xmax = 0 AS is_new
), gone AS (
  DELETE FROM inference_presence
   WHERE process_id = %(process)s
     AND CASE WHEN %(gone)s::bigint[] IS NULL THEN device_id <> ALL (%(devices)s::bigint[])
              ELSE device_id = ANY (%(gone)s::bigint[]) END
), told AS (
  INSERT INTO inference_presence (process_id, device_id, sockets, since)
  SELECT %(process)s, device.id, given.sockets, now()
    FROM unnest(%(devices)s::bigint[], %(sockets)s::int[]) AS given (id, sockets)
    JOIN inference_device device USING (id)
  ON CONFLICT (process_id, device_id) DO UPDATE SET sockets = excluded.sockets
)
SELECT is_new FROM heard
"""
_CLEAR = """
WITH silent AS (
  DELETE FROM inference_webprocess WHERE heard_at < now() - make_interval(secs => %(silent_s)s) OR id = %(process)s
  RETURNING id
)
DELETE FROM inference_presence USING silent WHERE process_id = silent.id RETURNING 1
"""


class Presence:
    """Tells which devices are connected to this process. `run` it as a task, `stop` it afterwards.

    Args:
        database: where it is told.
        count: gives the number of open sockets of each device that has any, by the device's primary key.
    """

    def __init__(self, database: Database, count: Callable[[], Mapping[int, int]]) -> None:
        self._database = database
        self._count = count
        self._process = uuid.uuid4()
        self._told: dict[int, int] | None = None
        self._heard_at_s = 0.0
        self._heard = True

    async def run(self) -> None:
        """Tell what has changed once a second, for ever. While Postgres is away nobody is told, and that is all."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.tell()
            except (DatabaseUnavailable, Overloaded) as error:
                if self._heard:
                    logger.warning("nobody can see which devices are connected", reason=str(error))
                self._heard = False
            except Exception:
                logger.exception("which devices are connected could not be told")
            else:
                self._heard = True

    async def tell(self) -> None:
        """Write what has changed since the last time, or, when that is long ago, that this process lives.

        Raises:
            DatabaseUnavailable, Overloaded: Postgres did not answer in time. The next time all of it is written.
        """
        now = self._count()
        due = time.monotonic() - self._heard_at_s >= HEARTBEAT_S
        if now == self._told and not due:
            return
        now = dict(now)
        before, self._told = self._told, None  # unless it is written now, nobody knows what is
        known = {} if before is None else before
        changed = {device: sockets for device, sockets in now.items() if known.get(device) != sockets}
        said = {
            "process": self._process,
            "devices": list(changed),
            "sockets": list(changed.values()),
            "gone": None if before is None else [device for device in known if device not in now],
        }
        if due:
            await self._database.transact((_CLEAR, {"silent_s": FORGOTTEN_AFTER_S, "process": None}))
        [(is_new,)] = await self._database.transact((_TELL, said))
        self._heard_at_s = time.monotonic()
        # If another process has taken this one for dead meanwhile, its rows are gone with it.
        self._told = now if before is None or not is_new else None

    async def stop(self) -> None:
        """Take this process's rows away, if Postgres is there."""
        said: dict[str, Any] = {"silent_s": FORGOTTEN_AFTER_S, "process": self._process}
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._database.transact((_CLEAR, said))
        except (DatabaseUnavailable, Overloaded, TimeoutError) as error:
            logger.info("this process's sockets are shown for a moment longer", reason=repr(error))
