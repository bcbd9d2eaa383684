"""Files on their way in: written aside as they come, counted and digested, never held in memory.

The event loop only hands pieces over; a few threads write them. What is not whole is thrown away.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from inference.errors import Overloaded
from inference.http.errors import IncompleteUpload, UploadStorageFull, UploadTooLarge
from inference.http.requests import Request

PIECE_BYTES = 1024 * 1024
"""What is handed to a thread at a time, and so about what an upload takes of memory."""
IDLE_S = 15.0
"""How long nothing may come."""
WHOLE_S = 900.0
"""How long all of it may take: a client that sends a byte every ten seconds holds a place, but not for ever."""
MOST_AT_ONCE = 8
RETRY_AFTER_MS = 5000
FORGOTTEN_S = 3600
"""A file that is as old belongs to a process that was killed."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk answers that has no room, for this user or for a file of this size."""

T = TypeVar("T")

_threads = ThreadPoolExecutor(2, thread_name_prefix="files")
_under_way: set[Path] = set()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has come to its end. It is gone when the context that received it is left."""

    path: Path
    bytes: int
    sha256: str


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Call what reads and writes files in one of the threads for that.

    Raises:
        UploadStorageFull: it found no room.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)
    except OSError as error:
        if error.errno in FULL:
            raise UploadStorageFull from error
        raise


@contextlib.asynccontextmanager
async def received(request: Request, *, folder: Path, most_bytes: int) -> AsyncIterator[Upload]:
    """The body of a request as a file in `folder`.

    Raises:
        UploadTooLarge: it is larger, or says so.
        IncompleteUpload: it did not come to its end in time.
        UploadStorageFull: there is no room for it.
        Overloaded: too many others are coming in.
        ClientGoneError: the client left before its end.
    """
    if request.announced_bytes > most_bytes:
        raise UploadTooLarge(most_bytes)
    if len(_under_way) >= MOST_AT_ONCE:
        raise Overloaded(RETRY_AFTER_MS)
    path = folder / f"upload-{request.id}"
    _under_way.add(path)
    try:
        yield await _written(request, path, most_bytes)
    finally:
        _under_way.discard(path)
        await asyncio.shield(in_thread(_drop, path))


async def _written(request: Request, path: Path, most_bytes: int) -> Upload:
    file = await in_thread(_File, path)
    waiting = bytearray()
    try:
        async with asyncio.timeout(WHOLE_S):
            async for piece in request.pieces(idle_s=IDLE_S):
                waiting += piece
                if file.bytes + len(waiting) > most_bytes:
                    raise UploadTooLarge(most_bytes)
                if len(waiting) >= PIECE_BYTES or request.complete:
                    taken, waiting = waiting, bytearray()
                    await in_thread(file.take, taken)
    except TimeoutError:
        raise IncompleteUpload(WHOLE_S) from None
    finally:
        await asyncio.shield(in_thread(file.close))
    return Upload(path, file.bytes, file.digest.hexdigest())


class _File:
    """A new file that is written by one thread at a time; it is closed by another one only when that is done.

    What killed processes left behind in its folder is removed on the way.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_forgotten(path.parent)
        self._lock = threading.Lock()
        self._number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.digest = hashlib.sha256()
        self.bytes = 0

    def take(self, piece: bytearray) -> None:
        """Write a piece."""
        with self._lock:
            self.digest.update(piece)
            self.bytes += len(piece)
            left = memoryview(piece)
            while left:
                left = left[os.write(self._number, left) :]

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            os.close(self._number)


def _remove_forgotten(folder: Path) -> None:
    before_s = time.time() - FORGOTTEN_S
    for path in folder.glob("*upload*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before_s:
                path.unlink()


def _drop(path: Path) -> None:
    path.unlink(missing_ok=True)
