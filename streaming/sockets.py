"""The open device sockets of one process, so that it can stop without losing what they sent."""

import asyncio
from collections import Counter
from typing import Protocol

import structlog

logger = structlog.get_logger(__name__)


CHECK_S = 1.0


class DeviceSocket(Protocol):
    """What is asked of an open socket."""

    @property
    def slug(self) -> str:
        """The endpoint it was opened for."""

    @property
    def device_id(self) -> int | None:
        """The primary key of the device that opened it; None for a service."""

    def check_sending(self, now_s: float) -> None:
        """End it if its client has left what was sent unread for too long. `now_s` is the event loop's time."""

    def drain(self) -> None:
        """Read no more, answer what is in flight, then close."""

    def cut(self) -> None:
        """Of one that drains: close now, what is in flight stays unanswered."""


class OpenSockets:
    """Counts sockets in and out. Once `drain` has begun, `draining` says that no new one may open."""

    def __init__(self) -> None:
        self.draining = False
        self.by_device: Counter[int] = Counter()
        """How many each device has open, for those that have any."""
        self._open: set[DeviceSocket] = set()
        self._empty = asyncio.Event()

    def add(self, socket: DeviceSocket) -> None:
        """Count a socket in. One whose handshake had begun before the drain did comes to its end at once."""
        self._open.add(socket)
        if socket.device_id is not None:
            self.by_device[socket.device_id] += 1
        if self.draining:
            socket.drain()

    def remove(self, socket: DeviceSocket) -> None:
        """Count a socket out."""
        self._open.remove(socket)
        if socket.device_id is not None:
            self.by_device[socket.device_id] -= 1
            if not self.by_device[socket.device_id]:
                del self.by_device[socket.device_id]
        if not self._open:
            self._empty.set()

    def by_endpoint(self) -> dict[str, int]:
        """How many are open, by the endpoint's slug."""
        return Counter(socket.slug for socket in self._open)

    async def watch(self) -> None:
        """Look for clients that do not read, once a second; for ever.

        One task for all sockets: a timer for every send would cost more than the send.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            for socket in list(self._open):
                socket.check_sending(loop.time())

    async def drain(self, timeout_s: float) -> None:
        """Tell every socket to come to its end, and wait for that, at most `timeout_s` seconds.

        Those that are still open then are closed without waiting for it.
        """
        self.draining = True
        for socket in list(self._open):
            socket.drain()
        if not self._open:
            return
        self._empty.clear()
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            logger.warning("sockets were still open at the end of the drain", sockets=len(self._open))
            # The server would close them as well, but without a word on when to come back.
            for socket in list(self._open):
                socket.cut()
