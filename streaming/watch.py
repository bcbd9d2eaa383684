"""The socket of the Live page: pictures of what happens, for people who are logged in.

It carries pictures, never data. A browser that reads slowly gets the newest one, not a queue of old ones.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import msgspec
import structlog
from channels.auth import AuthMiddlewareStack, get_user
from channels.db import database_sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from inference.errors import Overloaded
from inference.ids import prediction_id
from streaming import denial, handshake
from streaming.picture import Picture
from streaming.publisher import GROUP, SNAPSHOT

PERMISSION = "inference.view_prediction"
GATHER_S = 0.1
"""How long a picture waits for the other processes' snapshots of the same second."""
SILENT_AFTER_S = 4.0
"""Without news for so long, a picture goes out all the same, to say that there is none."""
SEND_TIMEOUT_S = 20.0
CHECK_EVERY_S = 10.0
"""How often it is asked whether the person is still logged in and may still look."""
RETRY_AFTER_MS = 2000

LOGGED_OUT = 4401
NOT_ALLOWED = 4403
TRY_AGAIN_LATER = 1013

logger = structlog.get_logger(__name__)


async def live(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve `/ws/v1/live`, to pages of this server only: a browser sends its cookies for any page."""
    opened = False

    async def sent(message: dict[str, Any]) -> None:
        nonlocal opened
        opened = opened or message["type"] == "websocket.accept"
        await send(message)

    try:
        handshake.check_origin(dict(scope["headers"]), scope.get("scheme", "ws"))
        if scope["foretell.sockets"].draining:
            raise Overloaded(RETRY_AFTER_MS)
        await _consumer(scope, receive, sent)
    except handshake.OriginNotAllowed as error:
        await denial.send_denial(error, prediction_id(), scope, send)
    except Exception as error:  # noqa: BLE001 - the door: Redis or Postgres is away, or the browser is
        logger.info("a live page was let go", reason=repr(error))
        if opened:
            with suppress(OSError, RuntimeError):
                await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        else:
            await denial.send_denial(Overloaded(RETRY_AFTER_MS), prediction_id(), scope, send)


class WatchConsumer(AsyncWebsocketConsumer):
    """Follows the snapshots of all processes and sends one picture of them a second. What a browser sends is unread."""

    groups = (GROUP,)
    _picture: Picture | None = None
    _tasks: Sequence[asyncio.Task[None]] = ()

    async def connect(self) -> None:
        """Let in who is logged in and may see predictions."""
        if not await _may_watch(self.scope["user"]):
            raise DenyConnection
        self._picture = Picture()
        self._fresh = asyncio.Event()
        await self.accept()
        self._tasks = [asyncio.create_task(self._draw()), asyncio.create_task(self._check())]

    async def disconnect(self, code: int) -> None:
        """End what runs for this socket."""
        for task in self._tasks:
            task.cancel()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Take a process's snapshot at once, and never wait for the browser: nothing queues up behind it.

        The stock dispatch would go through a thread for each, to look after database connections.
        """
        if message["type"] != SNAPSHOT:
            await super().dispatch(message)
        elif self._picture is not None:
            self._picture.take(message["snapshot"], time.monotonic())
            self._fresh.set()

    async def _draw(self) -> None:
        """Send the newest picture, and then the one that is the newest then."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENT_AFTER_S):
                        await self._fresh.wait()
                await asyncio.sleep(GATHER_S)
                self._fresh.clear()
                picture = self._picture.draw(time.monotonic())
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self.send(text_data=msgspec.json.encode(picture).decode())
        except TimeoutError:
            await self._end(TRY_AGAIN_LATER)
        except (OSError, RuntimeError):
            # What servers raise when the browser is gone; `disconnect` follows.
            pass
        except Exception:
            logger.exception("a picture could not be drawn")
            await self._end(TRY_AGAIN_LATER)

    async def _check(self) -> None:
        """Close the socket of a person who has logged out or may no longer look."""
        key = self.scope["session"].session_key
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                user = await get_user({"session": _sessions().SessionStore(key)})
                allowed = await _may_watch(user)
            except Exception as error:  # noqa: BLE001 - Postgres is away: asked again, and the API refuses meanwhile
                logger.info("who watches could not be checked", reason=repr(error))
                continue
            if not allowed:
                await self._end(NOT_ALLOWED if user.is_authenticated else LOGGED_OUT)
                return

    async def _end(self, code: int) -> None:
        with suppress(OSError, RuntimeError):
            await self.close(code)


_consumer = AuthMiddlewareStack(WatchConsumer.as_asgi())


def _sessions() -> Any:
    return import_module(settings.SESSION_ENGINE)


@database_sync_to_async
def _may_watch(user: Any) -> bool:
    return user.is_active and user.is_staff and user.has_perm(PERMISSION)
