"""Which consumer serves which WebSocket address."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from inference.errors import NotFound
from inference.ids import prediction_id
from streaming import denial
from streaming.consumer import StreamConsumer
from streaming.watch import live


async def not_found(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse an unknown address; without this the router raises and the client sees a 500."""
    await receive()
    await denial.send_denial(NotFound("This WebSocket address"), prediction_id(), scope, send)


router = URLRouter(
    [
        path("ws/v1/endpoints/<str:endpoint>/stream", StreamConsumer.as_asgi()),
        path("ws/v1/live", live),
        re_path("", not_found),
    ]
)
