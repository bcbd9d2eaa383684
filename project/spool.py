"""Django's handler, with bodies that wait on the disk of uploads: in a container its own place is in memory, and small.

Only a file for a batch job is larger than what Django keeps in memory.
"""

import contextlib
import tempfile
from pathlib import Path
from typing import IO, Any

import django
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler

from inference.http.errors import UploadStorageFull
from inference.http.uploads import FULL


class SpoolingHandler(ASGIHandler):
    """Django's ASGI application."""

    async def read_body(self, receive: Any) -> IO[bytes]:
        """The whole body, to be read from its beginning.

        Raises:
            UploadStorageFull: there is no room for it. All of it was taken in first: who still sends hears no answer.
            RequestAborted: the client left.
        """
        spool, more = _begun(), True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted
                more = message.get("more_body", False)
                if spool is not None:
                    spool = _written(spool, message.get("body", b""), last=not more)
        except BaseException:
            _dropped(spool)
            raise
        if spool is None:
            raise UploadStorageFull
        return spool


def application() -> SpoolingHandler:
    """Set Django up, and make its ASGI application."""
    django.setup(set_prefix=False)
    return SpoolingHandler()


def _begun() -> IO[bytes] | None:
    folder = settings.FILE_UPLOAD_TEMP_DIR
    return tempfile.SpooledTemporaryFile(settings.FILE_UPLOAD_MAX_MEMORY_SIZE, dir=folder)


def _written(spool: IO[bytes], piece: bytes, *, last: bool) -> IO[bytes] | None:
    """The spool with a piece more, at its beginning after the last one; none, and no file, if there is no room."""
    if not last:
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
    try:
        spool.write(piece)
        if last:
            spool.seek(0)
    except OSError as error:
        _dropped(spool)
        if error.errno not in FULL:
            raise
        return None
    return spool


def _dropped(spool: IO[bytes] | None) -> None:
    if spool is not None:
        # It tries to write what is left once more, and is closed all the same.
        with contextlib.suppress(OSError):
            spool.close()
