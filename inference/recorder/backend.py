"""The Postgres backend the recorder writes through: checked when it is opened, found again when it was lost."""

import asyncio
import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import InvalidParameterValue

from inference.database import DatabaseUnsafe, cut_after

CONNECT_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 4_000
LOCK_TIMEOUT_MS = 1_000
_STEP_TIMEOUT_S = 4.0
_POLL_S = 0.02
_DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    """One connection and the server process behind it. A pid alone may name another process later."""

    connection: AsyncConnection
    pid: int
    started_at: datetime.datetime
    opened_at: float = field(default_factory=time.monotonic)

    @classmethod
    async def open(cls, dsn: str) -> "Backend":
        """Connect, and make sure that what is committed here stays.

        Raises:
            DatabaseUnsafe: the server is set up so that it may lose what it has committed.
            psycopg.Error: the server can't be reached.
        """
        connection = await AsyncConnection.connect(
            dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            tcp_user_timeout=5000,
            keepalives_idle=5,
            application_name="foretell recorder",
        )
        try:
            return await cls._prepared(connection)
        except BaseException:
            await connection.close()
            raise

    @classmethod
    async def _prepared(cls, connection: AsyncConnection) -> "Backend":
        settings = ", ".join(f"current_setting('{name}')" for name in _DURABILITY)
        values = dict(zip(_DURABILITY, await _row(connection, f"SELECT {settings}"), strict=True))
        off = [name for name, value in values.items() if value == "off"]
        if off:
            raise DatabaseUnsafe(off)
        # Pinned: a server that is set to `off` while we run loses nothing of ours.
        await _row(
            connection,
            f"SELECT set_config('synchronous_commit', '{values['synchronous_commit']}', false),"
            f" set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', false),"
            f" set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', false),"
            " set_config('standard_conforming_strings', 'on', false),"
            " set_config('client_encoding', 'UTF8', false),"
            " set_config('datestyle', 'ISO, YMD', false)",
        )
        identity = await _row(
            connection, "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        )
        return cls(connection, *identity)

    @classmethod
    async def replace(
        cls, dsn: str, lost: "Backend | None", xid: str | None, first_id: str | None
    ) -> tuple["Backend", bool]:
        """Connect in place of a lost backend, which is ended, and learn whether its last transaction was committed.

        Args:
            dsn: a libpq address.
            lost: the backend that was lost, if there was one.
            xid: its transaction, if that may have been committed.
            first_id: the id of one row that the transaction stores.

        Raises:
            DatabaseUnsafe, psycopg.Error: as `open`.
        """
        backend = await cls.open(dsn)
        try:
            if lost is not None:
                await backend._end(lost)
            return backend, xid is not None and await backend._has_committed(xid, first_id)
        except BaseException:
            await backend.connection.close()
            raise

    async def _end(self, lost: "Backend") -> None:
        """Terminate the backend of a lost connection if it still runs, so that it holds no lock and can't go on."""
        await _row(
            self.connection,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s",
            [lost.pid, lost.started_at],
        )

    async def _has_committed(self, xid: str, first_id: str | None) -> bool:
        """Whether a lost backend's transaction was committed, once it is over."""
        status = await self._status(xid)
        while status == "in progress":
            await asyncio.sleep(_POLL_S)
            status = await self._status(xid)
        if status != "committed" or first_id is None:
            return status == "committed"
        # A server that crashed may give the number of a transaction it forgot to another one. The row can't lie.
        (found,) = await _row(
            self.connection,
            "SELECT EXISTS (SELECT FROM inference_prediction WHERE id = %s AND txid = %s::xid8)",
            [first_id, xid],
        )
        return bool(found)

    async def _status(self, xid: str) -> str:
        try:
            (status,) = await _row(self.connection, "SELECT pg_xact_status(%s::xid8)", [xid])
        except InvalidParameterValue:
            # "in the future": the server crashed before it wrote anything of this transaction.
            return "aborted"
        return str(status)


async def _row(connection: AsyncConnection, sql: str, params: Sequence[object] | None = None) -> tuple[Any, ...]:
    """The row of a statement that gives one, or an error within a few seconds."""
    with cut_after(connection, _STEP_TIMEOUT_S):
        cursor = await connection.execute(sql, params)
        row = await cursor.fetchone()
    assert row is not None
    return row
