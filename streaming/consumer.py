"""How a device gets in: its handshake is checked, then its socket runs.

It is a Channels consumer with its own receive loop. The stock loop hops to a thread for every message, and would end
the socket when Redis does; this one needs neither.
"""

import random
from typing import Any

from channels.consumer import AsyncConsumer

from inference.errors import Overloaded
from inference.ids import prediction_id
from inference.predictor import Predictor
from inference.sockets.denial import send_denial
from streaming import handshake
from streaming.device_socket import RETRY_AFTER_MS, DeviceSocket, Receive, Send
from streaming.sockets import OpenSockets


class StreamConsumer(AsyncConsumer):
    """Serves `/ws/v1/endpoints/{endpoint}/stream`."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Check the handshake, then run the socket until it closes."""
        predictor: Predictor = scope["foretell.predictor"]
        sockets: OpenSockets = scope["foretell.sockets"]
        session_id = prediction_id()
        await receive()
        try:
            if sockets.draining:
                raise Overloaded(random.randint(*RETRY_AFTER_MS))
            asked = await handshake.check(scope, predictor)
        except Exception as error:  # noqa: BLE001 - the door: logged and answered there
            await send_denial(error, session_id, scope, send)
            return
        await send({"type": "websocket.accept", "subprotocol": asked.subprotocol})
        socket = DeviceSocket(asked, predictor, session_id, receive, send)
        sockets.add(socket)
        try:
            await socket.run()
        finally:
            sockets.remove(socket)
