"""uvicorn's WebSocket protocol with one difference: what is sent in one turn of the event loop is written at once.

uvicorn writes every message to the socket on its own. Under load a socket has several answers ready at a time, and
those system calls cost as much as the predictions. On the wire the frames are the same.
"""

from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

BURST_BYTES = 65536
"""What is gathered at most before it is written and the client has to keep up: the high-water mark of a socket."""

_SHORT = 126
_MEDIUM = 65536


class BurstProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._burst: list[bytes] = []
        self._burst_bytes = 0

    async def send(self, message: Any) -> None:
        """Send an ASGI message; the frame of a text leaves at the end of this turn of the loop.

        Raises:
            ClientDisconnected: the client is gone, or going.
        """
        text = message.get("text")
        if text is None or not self.handshake_complete or self.close_sent:
            self._flush()
            await super().send(message)
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        if not self._burst:
            self.loop.call_soon(self._flush)
        data = text.encode()
        self._burst += (_head(len(data)), data)
        self._burst_bytes += len(data)
        if self._burst_bytes >= BURST_BYTES:
            self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what came; what waits leaves before it, since the answer to a close must be the last frame."""
        self._flush()
        super().data_received(data)

    def shutdown(self) -> None:
        """Close the connection because the server stops, behind what waits."""
        self._flush()
        super().shutdown()

    def _flush(self) -> None:
        if self._burst:
            burst, self._burst = self._burst, []
            self._burst_bytes = 0
            # After a close frame, or on a lost connection, nothing may follow.
            if self.conn.state is State.OPEN and not self.transport.is_closing():
                self.transport.write(b"".join(burst))


def _head(size: int) -> bytes:
    """The head of a server's text frame with FIN and a payload of `size` bytes."""
    if size < _SHORT:
        return bytes((0x81, size))
    if size < _MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")
