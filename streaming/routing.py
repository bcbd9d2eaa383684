"""Which consumer serves which of this room's WebSocket addresses."""

from django.urls import path

from streaming.consumer import StreamConsumer
from streaming.watch import live

routes = [
    path("ws/v1/endpoints/<str:endpoint>/stream", StreamConsumer.as_asgi()),
    path("ws/v1/live", live),
]
