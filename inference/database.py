"""Postgres without Django: a small pool of psycopg connections on the event loop, for reads and short transactions."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from inference.engine.errors import ForetellError
from inference.errors import AuditUnavailable, Overloaded

MAX_CONNECTIONS = 4
CHECKOUT_TIMEOUT_S = 2.0
FETCH_TIMEOUT_S = 2.5
"""With the checkout this stays under the 5 s in which a lost database is an error, not a wait."""
MAX_TRANSACTIONS = MAX_CONNECTIONS // 2
"""So that a flood of them never keeps the catalog or the credentials from reading."""
TURN_TIMEOUT_S = 0.5
RETRY_AFTER_MS = 1000

Statement = tuple[str, Mapping[str, Any]]
"""SQL with named placeholders, and their values."""

logger = structlog.get_logger(__name__)


class DatabaseUnavailable(AuditUnavailable):
    """The database can't be asked now."""

    def __init__(self) -> None:
        ForetellError.__init__(self, "The database can't be reached now. Ask again in a moment.")


class DatabaseUnsafe(ForetellError):
    """The database is set up so that it may lose what it said it has committed."""

    code = "database_unsafe"

    def __init__(self, settings: Sequence[str]) -> None:
        self.settings = tuple(settings)
        names = " and ".join(settings)
        super().__init__(
            f"Postgres runs with {names} off, so a prediction it has committed may be lost with the power. "
            f"Turn {names} on, and start again."
        )


@contextmanager
def cut_after(connection: AsyncConnection, timeout_s: float) -> Iterator[None]:
    """Cut a connection when the block takes longer: the query in it then fails as if the server had gone.

    Cancelling a query instead would ask the hung server to cancel it, and wait for that.
    """
    handle = asyncio.get_running_loop().call_later(timeout_s, _cut, connection)
    try:
        yield
    finally:
        handle.cancel()


def _cut(connection: AsyncConnection) -> None:
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


class Database:
    """Up to four connections for what is short. After Postgres was away the next one who asks connects again.

    Args:
        dsn: a libpq address.
    """

    def __init__(self, dsn: str) -> None:
        self._turns = asyncio.Semaphore(MAX_TRANSACTIONS)
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=CHECKOUT_TIMEOUT_S,
            # No attempts in the background: whoever asks next tries again, so recovery never waits for a back-off.
            reconnect_timeout=0,
            open=False,
            kwargs={
                "autocommit": True,
                "connect_timeout": 2,
                "tcp_user_timeout": 5000,
                "application_name": "foretell",
                "options": "-c statement_timeout=2000",
            },
        )

    async def open(self) -> None:
        """Start the pool. Postgres need not be there yet."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one reading statement.

        A connection that turns out to be dead is replaced and the statement run again, so it must only read.

        Raises:
            DatabaseUnavailable: Postgres did not answer, in at most 5 s.
            psycopg.Error: Postgres refused the statement.
        """
        return await self._repeated(lambda connection: _rows(connection, sql, params))

    async def transact(self, *statements: Statement) -> list[tuple[Any, ...]]:
        """The rows of the last of several statements, which run as one transaction and in one round trip.

        They are given back once they are committed. A connection that is lost on the way is replaced and all of it
        run again, so twice must have the effect of once.

        Raises:
            Overloaded: too many wait for their turn.
            DatabaseUnavailable: Postgres did not answer, in at most 5 s. It may have committed all the same.
            psycopg.Error: Postgres refused a statement; nothing is changed.
        """
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded(RETRY_AFTER_MS) from None
        try:
            return await self._repeated(lambda connection: _transaction(connection, statements))
        finally:
            self._turns.release()

    async def _repeated(self, ask: Callable[[AsyncConnection], Awaitable[list[tuple[Any, ...]]]]) -> Any:
        deadline = asyncio.get_running_loop().time() + CHECKOUT_TIMEOUT_S
        while True:
            try:
                async with self._pool.connection() as connection:
                    with cut_after(connection, FETCH_TIMEOUT_S):
                        return await ask(connection)
            except PoolTimeout as error:
                raise DatabaseUnavailable from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                # Only a lost connection is tried again, and only while time remains: all pooled ones may be dead.
                if error.sqlstate and error.sqlstate[:2] not in ("57", "08"):
                    raise
                if asyncio.get_running_loop().time() >= deadline:
                    raise DatabaseUnavailable from error


async def _rows(connection: AsyncConnection, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(sql, params or None)
    return await cursor.fetchall()


async def _transaction(connection: AsyncConnection, statements: Sequence[Statement]) -> list[tuple[Any, ...]]:
    async with connection.pipeline(), connection.transaction():
        cursors = [await connection.execute(sql, params) for sql, params in statements]
    return await cursors[-1].fetchall()
