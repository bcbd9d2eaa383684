"""Devices that are not there: they replay an endpoint's training data over real sockets, for the demo."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from inference.engine.signature import Row

logger = structlog.get_logger(__name__)

TERMINAL = (4401, 4403, 4404, 4409)
"""Close codes after which a device does not come back (PROTOCOL section 3)."""
RECONNECT_S = (0.5, 5.0)


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One device, one endpoint, one socket at a time.

    Args:
        url: where the server is, as `http://` or `https://`.
        endpoint: the slug.
        token: the device's credential.
        rows: what it reads, over and over, from a place of its own.
        per_s: readings a second.
    """

    url: str
    endpoint: str
    token: str
    rows: Sequence[Row]
    per_s: float

    async def run(self) -> None:
        """Send readings for ever; connect again, not at once, whenever the socket is lost."""
        address = f"{self.url.replace('http', 'ws', 1)}/ws/v1/endpoints/{self.endpoint}/stream?hello=short"
        headers = {"Authorization": f"Bearer {self.token}"}
        position = random.randrange(len(self.rows))
        while True:
            try:
                async with connect(address, additional_headers=headers, compression=None) as socket:
                    position = await self._send(socket, position)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                logger.info("the server closed a simulated device", endpoint=self.endpoint, code=code)
                if code in TERMINAL:
                    return
            except (OSError, InvalidHandshake) as error:
                logger.info("a simulated device can't connect", endpoint=self.endpoint, reason=str(error))
            await asyncio.sleep(random.uniform(*RECONNECT_S))

    async def _send(self, socket: ClientConnection, position: int) -> int:
        """Send a reading, wait for its answer, wait for its time; the place in the data where the socket was lost."""
        await socket.recv()
        try:
            while True:
                row = self.rows[position % len(self.rows)]
                await socket.send(json.dumps({"features": row, "ts": round(time.time(), 3)}))
                answer = json.loads(await socket.recv())
                while answer["type"] == "event":
                    answer = json.loads(await socket.recv())
                if answer["type"] == "error":
                    logger.warning("a simulated reading was refused", endpoint=self.endpoint, code=answer["code"])
                position += 1
                await asyncio.sleep(random.uniform(0.8, 1.2) / self.per_s)
        except ConnectionClosed as closed:
            if closed.rcvd and closed.rcvd.code in TERMINAL:
                raise
            return position


async def run(devices: Sequence[SimulatedDevice]) -> None:
    """Run devices until all of them have been sent away for good."""
    await asyncio.gather(*(device.run() for device in devices))
