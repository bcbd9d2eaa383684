"""Every WebSocket address, of both rooms."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from inference.errors import NotFound
from inference.ids import prediction_id
from inference.sockets.denial import send_denial
from jobs.watch import jobs
from streaming import routing as streaming


async def not_found(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse an unknown address; without this the router raises and the client sees a 500."""
    await receive()
    await send_denial(NotFound("This WebSocket address"), prediction_id(), scope, send)


router = URLRouter([*streaming.routes, path("ws/v1/jobs", jobs), re_path("", not_found)])
