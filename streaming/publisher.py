"""What a web process tells those who watch: its last minute, once a second, over the channel layer.

It always tells, whether or not somebody watches: that costs less than finding out. Where Redis is away nobody hears
it, and nothing else happens.
"""

import asyncio
import time
import uuid
from typing import Any

import structlog
from channels.layers import get_channel_layer

from inference.catalog import LiveEndpoint
from inference.predictor import Predictor
from streaming.sockets import OpenSockets

GROUP, SNAPSHOT = "live", "live.snapshot"
EVERY_S = 1.0
SEND_TIMEOUT_S = 0.8

logger = structlog.get_logger(__name__)


class Publisher:
    """Publishes the activity of one process. `run` it as a task."""

    def __init__(self, predictor: Predictor, sockets: OpenSockets) -> None:
        self._predictor = predictor
        self._sockets = sockets
        self._process = uuid.uuid4().hex
        self._heard = True

    async def run(self) -> None:
        """Publish at the beginning of every second, for ever."""
        while True:
            await asyncio.sleep(EVERY_S - time.time() % EVERY_S)
            try:
                # Half a second back is surely within the second that has just ended, also when woken a little early.
                self._predictor.activity.turn(int(time.time() - EVERY_S / 2))
                await self._publish({"type": SNAPSHOT, "snapshot": self.snapshot()})
            except Exception:
                logger.exception("what this process does could not be told")

    def snapshot(self) -> dict[str, Any]:
        """What this process did in the last minute, in plain values; `endpoints` by slug."""
        open_now = self._sockets.by_endpoint()
        return {
            "process": self._process,
            "at": int(time.time() - EVERY_S / 2),
            "endpoints": {
                slug: _described(endpoint)
                | {"sockets": open_now.get(slug, 0)}
                | self._predictor.activity.endpoint(endpoint.id)
                for slug, endpoint in self._predictor.catalog.endpoints.items()
            },
        }

    async def _publish(self, message: dict[str, Any]) -> None:
        """Send to who listens. Whether Redis can be reached is logged when it changes."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await get_channel_layer().group_send(GROUP, message)
        except Exception as error:  # noqa: BLE001 - whatever the layer raises: a picture is lost, and the next one comes
            if self._heard:
                logger.warning("nobody can watch: the channel layer does not take what happens", reason=repr(error))
            self._heard = False
        else:
            self._heard = True


def _described(endpoint: LiveEndpoint) -> dict[str, Any]:
    """Which version answers, and what its answers look like."""
    champion = endpoint.champion
    output = None if champion is None else champion.signature.output
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "version": None if champion is None else champion.tag,
        "version_id": None if champion is None else champion.id,
        "reason": endpoint.reason,
        "kind": None if output is None else output.kind,
        "labels": [] if output is None else list(output.labels),
        "unit": None if output is None else output.unit,
    }
