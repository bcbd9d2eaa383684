"""Services and selectors from the event loop: the ORM in a few threads of its own, with little patience.

A Postgres that hangs keeps a thread for as long as somebody may wait for it; then its connection is cut, and the
thread is free again. So there are never more threads than these, nor waits longer than that.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, close_old_connections, connections

from inference.database import DatabaseUnavailable
from inference.errors import Overloaded, StorageFull
from inference.http.requests import Request
from inference.services.control import request_id

THREADS = 4
MOST_WAITING = 64
TIMEOUT_S = 4.5
"""With what comes around it, this stays under the 5 s in which a lost database is an error, not a wait."""
RETRY_AFTER_MS = 1000
_DISK_FULL = "53100"
_AGAIN = ("08", "40", "53", "57")
"""Classes of SQLSTATE that another try may not meet: connection, rollback, resources, intervention."""

T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs")
_waiting: set["_Call[Any]"] = set()


async def ask(request: Request, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """What a service or a selector answers. What it writes into the control log carries the request's id.

    Raises:
        DatabaseUnavailable: Postgres did not answer within 5 s. It may have committed all the same.
        StorageFull: Postgres has no room left.
        Overloaded: too many ask already.
    """
    if len(_waiting) >= MOST_WAITING:
        raise Overloaded(RETRY_AFTER_MS)
    call = _Call(partial(function, *arguments, **named), UUID(request.id))
    _waiting.add(call)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.get_running_loop().run_in_executor(_threads, call.run)
    except TimeoutError as error:
        call.cut()
        raise DatabaseUnavailable from error
    except Error as error:
        raise _told(error) from error
    finally:
        _waiting.discard(call)


def _told(error: Error) -> Exception:
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    if sqlstate == _DISK_FULL:
        return StorageFull()
    lost = isinstance(error, OperationalError | InterfaceError) and not sqlstate
    return DatabaseUnavailable() if lost or sqlstate[:2] in _AGAIN else error


class _Call(Generic[T]):
    """One call of a function in a thread that has a connection of its own for it."""

    def __init__(self, function: Callable[[], T], request: UUID) -> None:
        self._function = function
        self._request = request
        self._lock = threading.Lock()
        self._connection: Any = None
        self._given_up = False

    def run(self) -> T:
        """Call it, unless nobody waits any more."""
        token = request_id.set(self._request)
        try:
            self._connect()
            return self._function()
        finally:
            with self._lock:
                self._connection = None
            request_id.reset(token)
            close_old_connections()

    def _connect(self) -> None:
        """Open the connection before there is a query, so that `cut` always finds what it is to cut."""
        with self._lock:
            if self._given_up:
                raise DatabaseUnavailable
        close_old_connections()
        mine = connections[DEFAULT_DB_ALIAS]
        mine.ensure_connection()
        with self._lock:
            if self._given_up:
                raise DatabaseUnavailable
            self._connection = mine

    def cut(self) -> None:
        """End the wait of its thread: what it does on its connection then fails as if the server had gone."""
        with self._lock:
            self._given_up = True
            open_one = getattr(self._connection, "connection", None)
            if open_one is None or open_one.closed:
                return
            with socket.socket(fileno=os.dup(open_one.fileno())) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)
