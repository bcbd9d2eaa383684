"""How a socket that may not open is refused: an HTTP answer with a problem document where the server can send one."""

from collections.abc import Awaitable, Callable
from typing import Any

from inference.http import problems

_CLOSE_CODES = {400: 4400, 401: 4401, 403: 4403, 404: 4404, 429: 4429, 500: 4500}
NO_SERVICE = 4503


async def send_denial(
    error: Exception,
    request_id: str,
    scope: dict[str, Any],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Refuse a socket before it opens.

    A server without the `websocket.http.response` extension can't answer over HTTP: there the socket is accepted and
    closed with 44xx or 45xx.
    """
    reply = problems.reply(error, request_id)
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": _CLOSE_CODES.get(reply.status, NO_SERVICE)})
        return
    headers = [
        (b"content-type", reply.media_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request_id.encode()),
        *reply.headers,
    ]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})
