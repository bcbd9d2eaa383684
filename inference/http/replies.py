"""What goes back over the wire: a status, headers and bytes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import structlog

from inference.http.requests import Request

logger = structlog.get_logger(__name__)

JSON = b"application/json"
PROBLEM = b"application/problem+json"

LINGER_S = 2.0
LINGER_BYTES = 8 * 1024 * 1024
"""How long, and how much, a refused body is still taken in before its connection is closed: closing a connection
with unread bytes makes the kernel reset it, and the client would lose the answer that says why."""

STALLED_S = 60.0
"""A client that takes nothing of a streamed answer for so long is taken for gone."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedReply:
    """A 200 whose body is made while it is sent: `first`, then `pieces`, which is closed once nobody takes any more."""

    pieces: AsyncGenerator[bytes, None]
    media_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    first: bytes = b""

    async def begun(self) -> "StreamedReply":
        """The same with its first piece made: what can't even begin is then answered by its error instead."""
        return replace(self, first=await anext(self.pieces, b""))


def headers(request_id: str, length: int, media_type: bytes) -> list[tuple[bytes, bytes]]:
    """The headers every whole answer of the express lane has."""
    return [*_always(request_id, media_type), (b"content-length", b"%d" % length)]


def _always(request_id: str, media_type: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", media_type),
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


async def stream(reply: StreamedReply, request: Request, send: Any) -> None:
    """Send a streamed reply through an ASGI server, at the pace of who takes it.

    When it can't be made to its end it is broken off, so that nobody takes the half for the whole.
    """
    listed = [*_always(request.id, reply.media_type), (b"cache-control", b"no-store"), *reply.headers]
    await send({"type": "http.response.start", "status": 200, "headers": listed})
    left = asyncio.ensure_future(request.left())
    try:
        async with contextlib.aclosing(reply.pieces) as pieces:
            if request.method != "HEAD":
                await _send_piece(send, reply.first)
                async for piece in pieces:
                    if left.done():
                        return
                    await _send_piece(send, piece)
        await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        logger.warning("an answer was broken off: its client takes nothing", request_id=request.id)
    except Exception:
        logger.exception("an answer was broken off", request_id=request.id)
    finally:
        left.cancel()


async def _send_piece(send: Any, piece: bytes) -> None:
    async with asyncio.timeout(STALLED_S):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def collected(reply: StreamedReply) -> Reply:
    """A streamed reply with its whole body, for a door that can't stream."""
    rest = [piece async for piece in reply.pieces]
    return Reply(body=b"".join([reply.first, *rest]), media_type=reply.media_type, headers=reply.headers)


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
