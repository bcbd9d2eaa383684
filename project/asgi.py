"""The ASGI application: lifespan, the express lane, Django, device and browser sockets."""

import asyncio
import os
from typing import Any

import structlog

from project import spool

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
# Loads the apps, so it stands before whatever imports models.
django_application = spool.application()

from project import bodies, express  # noqa: E402
from project.routing import router  # noqa: E402
from project.runtime import Runtime  # noqa: E402

logger = structlog.get_logger(__name__)


class Application:
    """Puts the process's runtime into every scope and hands it to the lane that serves it.

    A server with a lifespan starts the runtime then; on one without, it starts with the first scope.
    """

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        runtime = self._runtime or await self._start()
        scope["foretell.predictor"] = runtime.predictor
        scope["foretell.sockets"] = runtime.sockets
        if scope["type"] == "websocket":
            await router(scope, receive, send)
        elif await express.application(scope, receive, send) is False:
            await bodies.limited(django_application, scope, receive, send)

    async def _start(self) -> Runtime:
        async with self._starting:
            if self._runtime is None:
                runtime = Runtime()
                await runtime.start()
                self._runtime = runtime
        return self._runtime

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            runtime = await self._start()
        except Exception as error:
            logger.exception("the process could not start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await runtime.stop()
        await send({"type": "lifespan.shutdown.complete"})


application = Application()
