"""What goes back over the wire: a status, headers and bytes."""

import asyncio
from dataclasses import dataclass
from typing import Any

JSON = b"application/json"
PROBLEM = b"application/problem+json"

LINGER_S = 2.0
LINGER_BYTES = 8 * 1024 * 1024
"""How long, and how much, a refused body is still taken in before its connection is closed: closing a connection
with unread bytes makes the kernel reset it, and the client would lose the answer that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer other than a plain 200.

    `headers` are added to the ones every answer has; `closes` ends the connection after it.
    """

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    closes: bool = False


def headers(request_id: str, length: int, media_type: bytes) -> list[tuple[bytes, bytes]]:
    """The headers every answer of the express lane has."""
    return [
        (b"content-type", media_type),
        (b"content-length", b"%d" % length),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]


async def deliver(reply: Reply, request_id: str, method: str, send: Any, rest: Any = None) -> None:
    """Send a reply through an ASGI server; the body stays away from an answer to HEAD.

    Args:
        rest: ASGI's `receive`, while the request's body may not have come to its end.
    """
    listed = [*headers(request_id, len(reply.body), reply.media_type), *reply.headers]
    if method != "POST":
        # The answer to a POST is not kept by any cache that is not told to.
        listed.append((b"cache-control", b"no-store"))
    if reply.closes:
        listed.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": listed})
    body = b"" if method == "HEAD" else reply.body
    if reply.closes:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if rest is not None:
            await _drain(rest)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _drain(receive: Any) -> None:
    """Take in and forget what is left of a request's body, within bounds."""
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_S):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return
