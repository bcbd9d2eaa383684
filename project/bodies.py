"""How much is taken of a request's body in Django's lane, which would else write all of it to the disk first.

Pages need little. A file for a batch job may be large, but only of somebody who is logged in and may run batch jobs.
"""

from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import OperationalError
from django.http import parse_cookie

from inference.http import problems
from inference.http.errors import UploadTooLarge
from inference.ids import prediction_id
from inference.permissions import RUN_BATCH
from jobs.files import MOST_BYTES
from project.console import refusals

PAGE_BYTES = 2 * 1024 * 1024
UPLOAD = "/jobs/upload/"
UPLOAD_BYTES = MOST_BYTES + PAGE_BYTES


async def limited(application: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve a request, and refuse it as soon as more comes, or is announced, than is taken."""
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
    came, begun = 0, False

    async def received() -> dict[str, Any]:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise UploadTooLarge(most)
        return message

    async def sent(message: dict[str, Any]) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        if announced > most:
            raise UploadTooLarge(most)
        await application(scope, received, sent)
    except UploadTooLarge as error:
        if begun:
            raise
        await _refuse(error, send)


async def _refuse(error: UploadTooLarge, send: Any) -> None:
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
