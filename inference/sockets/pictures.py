"""A socket that shows a logged-in person how things are, by one picture after the other.

A browser that reads slowly gets the newest picture, not a queue of old ones. Who logs out, or may no longer look, is
let go within `CHECK_EVERY_S`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar

import msgspec
import structlog
from channels.auth import AuthMiddlewareStack, get_user
from channels.db import database_sync_to_async
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from inference.errors import NotFound, Overloaded
from inference.ids import prediction_id
from inference.sockets.denial import send_denial
from inference.sockets.origin import OriginNotAllowed, check_origin

SEND_TIMEOUT_S = 20.0
CHECK_EVERY_S = 10.0
"""How often it is asked whether the person is still logged in and may still look."""
RETRY_AFTER_MS = 2000

LOGGED_OUT = 4401
NOT_ALLOWED = 4403
TRY_AGAIN_LATER = 1013

Door = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

logger = structlog.get_logger(__name__)


class PictureConsumer(AsyncWebsocketConsumer, ABC):
    """Sends what `draw` gives, whenever `changed` was called. What a browser sends is unread."""

    silent_after_s: ClassVar[float] = 4.0
    """After so long without a change a picture goes out all the same, to say that there is none."""
    gather_s: ClassVar[float] = 0.0
    """How long a picture waits for what belongs to it and comes a little later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fresh = asyncio.Event()
        self._tasks: Sequence[asyncio.Task[None]] = ()

    @abstractmethod
    def may_watch(self, user: Any) -> bool:
        """Whether somebody who is logged in may look. May ask the database.

        Raises:
            NotFound: what they want to look at is not there.
        """

    @abstractmethod
    def draw(self) -> dict[str, Any]:
        """The newest picture, as JSON-able values."""

    def changed(self) -> None:
        """Have a picture drawn and sent soon."""
        self._fresh.set()

    async def connect(self) -> None:
        """Let in who is logged in and may look."""
        if not await self._may_watch(self.scope["user"]):
            raise DenyConnection
        await self.accept()
        self._tasks = [asyncio.create_task(self._show()), asyncio.create_task(self._check())]

    async def disconnect(self, code: int) -> None:
        """End what runs for this socket."""
        for task in self._tasks:
            task.cancel()

    async def _show(self) -> None:
        """Send the newest picture, and then the one that is the newest then."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.silent_after_s):
                        await self._fresh.wait()
                await asyncio.sleep(self.gather_s)
                self._fresh.clear()
                picture = self.draw()
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
                allowed = await self._may_watch(user)
            except Exception as error:  # noqa: BLE001 - Postgres is away: asked again, and the API refuses meanwhile
                logger.info("who watches could not be checked", reason=repr(error))
                continue
            if not allowed:
                await self._end(NOT_ALLOWED if user.is_authenticated else LOGGED_OUT)
                return

    async def _end(self, code: int) -> None:
        with suppress(OSError, RuntimeError):
            await self.close(code)

    @database_sync_to_async
    def _may_watch(self, user: Any) -> bool:
        return user.is_active and user.is_staff and self.may_watch(user)


def door(consumer: type[PictureConsumer]) -> Door:
    """What serves a consumer's address, to pages of this server only. The scope holds `foretell.sockets`."""
    inside = AuthMiddlewareStack(consumer.as_asgi())

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        opened = False

        async def sent(message: dict[str, Any]) -> None:
            nonlocal opened
            opened = opened or message["type"] == "websocket.accept"
            await send(message)

        try:
            check_origin(dict(scope["headers"]), scope.get("scheme", "ws"))
            if scope["foretell.sockets"].draining:
                raise Overloaded(RETRY_AFTER_MS)
            await inside(scope, receive, sent)
        except (OriginNotAllowed, NotFound) as error:
            await send_denial(error, prediction_id(), scope, send)
        except Exception as error:  # noqa: BLE001 - the door: Redis or Postgres is away, or the browser is
            logger.info("a page was let go", path=scope["path"], reason=repr(error))
            if opened:
                with suppress(OSError, RuntimeError):
                    await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            else:
                await send_denial(Overloaded(RETRY_AFTER_MS), prediction_id(), scope, send)

    return serve


def _sessions() -> Any:
    return import_module(settings.SESSION_ENGINE)
