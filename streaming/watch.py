"""The socket of the Live page: pictures of what happens in all processes. It carries pictures, never data."""

import time
from typing import Any

from inference.sockets.pictures import PictureConsumer, door
from streaming.picture import Picture
from streaming.publisher import GROUP, SNAPSHOT

PERMISSION = "inference.view_prediction"


class WatchConsumer(PictureConsumer):
    """Follows the snapshots of all processes and sends one picture of them a second."""

    groups = (GROUP,)
    gather_s = 0.1
    """The other processes' snapshots of the same second come a little later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._picture = Picture()

    def may_watch(self, user: Any) -> bool:
        """Who may see predictions."""
        return user.has_perm(PERMISSION)

    def draw(self) -> dict[str, Any]:
        """All processes, put together."""
        return self._picture.draw(time.monotonic())

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Take a process's snapshot at once, and never wait for the browser: nothing queues up behind it.

        The stock dispatch would go through a thread for each, to look after database connections.
        """
        if message["type"] != SNAPSHOT:
            await super().dispatch(message)
        else:
            self._picture.take(message["snapshot"], time.monotonic())
            self.changed()


live = door(WatchConsumer)
"""Serves `/ws/v1/live`."""
