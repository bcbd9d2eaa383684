"""How much is taken of a request's body in Django's lane, which would else write all of it to the disk first, and when.

Pages need little. A file for a batch job may be large, but only of somebody who is logged in and may run batch jobs.
"""

import asyncio
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import OperationalError
from django.http import parse_cookie

from inference.engine.errors import ForetellError
from inference.http import problems, requests, uploads
from inference.http.errors import IncompleteBody, IncompleteUpload, UploadStorageFull, UploadTooLarge
from inference.ids import prediction_id
from inference.permissions import RUN_BATCH
from jobs.files import MOST_BYTES
from project.console import refusals

PAGE_BYTES = 2 * 1024 * 1024
UPLOAD = "/jobs/upload/"
UPLOAD_BYTES = MOST_BYTES + PAGE_BYTES


async def limited(application: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve a request, and refuse it as soon as more comes, or is announced, than is taken, or none comes in time."""
    announced = int(dict(scope["headers"]).get(b"content-length", b"0") or 0)
    most = PAGE_BYTES
    try:
        if scope["path"] == UPLOAD and announced > PAGE_BYTES and await _may_upload(scope):
            most = UPLOAD_BYTES
    except OperationalError as error:
        if not refusals.is_lost(error):
            raise
        await _no_database(error, send)
        return
    begun = False

    async def sent(message: dict[str, Any]) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        if announced > most:
            raise UploadTooLarge(most)
        await application(scope, _Body(receive, most, is_file=scope["path"] == UPLOAD).received, sent)
    except (UploadTooLarge, IncompleteBody, IncompleteUpload, UploadStorageFull) as error:
        if begun:
            raise
        await _refuse(error, send)


class _Body:
    """A request's body as it comes. A file may take its time, as over REST, as long as something comes."""

    def __init__(self, receive: Any, most_bytes: int, *, is_file: bool) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._came_bytes = 0
        self._complete = False
        self._clock = asyncio.get_running_loop().time
        self._idle_s = uploads.IDLE_S
        self._whole_s = uploads.WHOLE_S if is_file else requests.BODY_TIMEOUT_S
        self._until_s = self._clock() + self._whole_s
        self._late = IncompleteUpload if is_file else IncompleteBody

    async def received(self) -> dict[str, Any]:
        """The next message of the server; after the body's last one they are waited for as long as it takes.

        Raises:
            UploadTooLarge: there is more of it than is taken.
            IncompleteBody, IncompleteUpload: it does not come in time.
        """
        if self._complete:
            return await self._receive()
        idle_until_s = self._clock() + self._idle_s
        try:
            async with asyncio.timeout_at(min(idle_until_s, self._until_s)):
                message: dict[str, Any] = await self._receive()
        except TimeoutError:
            raise self._late(self._idle_s if idle_until_s < self._until_s else self._whole_s) from None
        self._came_bytes += len(message.get("body", b""))
        if self._came_bytes > self._most_bytes:
            raise UploadTooLarge(self._most_bytes)
        self._complete = not message.get("more_body", False)
        return message


async def _refuse(error: ForetellError, send: Any) -> None:
    reply = problems.reply(error, prediction_id())
    headers = [(b"content-type", reply.media_type), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _no_database(error: OperationalError, send: Any) -> None:
    page = refusals.unreachable(error, sent=True)
    headers = [(name.lower().encode(), value.encode()) for name, value in page.items()]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": page.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": page.content})


async def _may_upload(scope: dict[str, Any]) -> bool:
    """Whether the request's session is of somebody who may run batch jobs."""
    # As Django reads them: Python's own parser drops all of them for one that another program has written oddly.
    cookies = parse_cookie("; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"))
    cookie = cookies.get(settings.SESSION_COOKIE_NAME)
    if cookie is None:
        return False
    sessions = import_module(settings.SESSION_ENGINE)
    user = await get_user({"session": sessions.SessionStore(cookie)})
    return await database_sync_to_async(lambda: user.is_active and user.has_perm(RUN_BATCH))()
