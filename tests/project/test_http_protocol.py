"""Connections that would cost everybody something are ended; the others notice nothing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from inference.http import requests
from inference.http.requests import Request
from inference.http.views import ExpressView
from project import http_protocol
from project.http_protocol import HEAD_BYTES, BoundedProtocol

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n"
ASK_EXPRESS = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Say how many bytes came: of the path, the headers and the body."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    size = len(scope["path"]) + sum(len(value) for _, value in scope["headers"]) + len(body)
    answer = str(size).encode()
    headers = [(b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Echo(ExpressView):
    """Answers what came."""

    authentication_classes = []
    permission_classes = []

    async def post(self, request: Request) -> bytes:
        """The body."""
        return await request.body()


async def express(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The view, as the express lane serves it."""
    await Echo.serve(scope, receive, send, {})


@contextlib.asynccontextmanager
async def served(
    timeout_s: int = 60, application: Any = application
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server."""
    config = uvicorn.Config(
        application, http=BoundedProtocol, lifespan="off", log_config=None, timeout_keep_alive=timeout_s
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await task


async def answered(reader: asyncio.StreamReader) -> bytes:
    """The next answer."""
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return head.split(b" ")[1] + b" " + await reader.readexactly(length)


async def test_requests_within_the_bound_are_answered_one_after_the_other_on_one_connection() -> None:
    async with served() as (reader, writer):
        for _ in range(3):
            # Each is almost as long as a head may be, so together they are longer.
            writer.write(ASK + b"Content-Length: 9\r\nX-A: " + b"a" * (HEAD_BYTES - 1000))
            await writer.drain()
            writer.write(b"\r\n\r\n123456789")
            assert await answered(reader) == b"200 %d" % (1 + 1 + 1 + HEAD_BYTES - 1000 + 9)


async def test_a_body_may_be_longer_than_a_head() -> None:
    async with served() as (reader, writer):
        writer.write(ASK + b"Content-Length: %d\r\n\r\n" % (3 * HEAD_BYTES))
        for _ in range(3):
            writer.write(b"b" * HEAD_BYTES)
            await writer.drain()
        assert await answered(reader) == b"200 %d" % (1 + 1 + 7 + 3 * HEAD_BYTES)


@pytest.mark.parametrize("begin", [ASK + b"X-A: ", b"GET /", ASK], ids=["value", "address", "many"])
@pytest.mark.parametrize("after", [0, 1], ids=["first", "second"])
async def test_a_head_that_does_not_end_ends_its_connection(begin: bytes, after: int) -> None:
    async with served() as (reader, writer):
        for _ in range(after):
            writer.write(ASK + b"\r\n")
            assert await answered(reader) == b"200 2"
        writer.write(begin)
        piece = b"X-A: a\r\n" * 8192 if begin == ASK else b"a" * 65536
        with pytest.raises(ConnectionError):
            for _ in range(4 * HEAD_BYTES // len(piece)):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                assert await reader.read() != b""


async def test_a_connection_on_which_nothing_comes_ends() -> None:
    async with served(timeout_s=1) as (reader, _), asyncio.timeout(20):
        assert await reader.read() == b""


@pytest.mark.parametrize("announced", [b"Content-Length: 3", b"Transfer-Encoding: chunked"])
async def test_a_body_of_which_nothing_comes_is_refused_like_one_that_stops(
    announced: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "LOOK_S", 0.02)
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.2)
    async with served(application=express) as (reader, writer):
        for _ in range(2):
            writer.write(ASK_EXPRESS + b"Content-Length: 3\r\n\r\nabc")
            assert await answered(reader) == b"200 abc"
        writer.write(ASK_EXPRESS + announced + b"\r\n\r\n")
        said = await answered(reader)
        assert said.startswith(b"400 ")
        assert b'"code":"incomplete_upload"' in said


async def test_a_body_that_is_awaited_is_begun_once_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "LOOK_S", 0.01)
    looks: asyncio.Queue[None] = asyncio.Queue()
    pieces = []
    begin = BoundedProtocol.begin_body

    def look(connection: BoundedProtocol) -> None:
        begin(connection)
        looks.put_nowait(None)

    async def listening(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def noted() -> dict[str, Any]:
            message = await receive()
            pieces.append(message["body"])
            return message

        await application(scope, noted, send)

    monkeypatch.setattr(BoundedProtocol, "begin_body", look)
    async with served(application=listening) as (reader, writer), asyncio.timeout(20):
        writer.write(ASK + b"Content-Length: 6\r\n\r\n")
        while b"" not in pieces:
            await looks.get()
        for body in (b"abc", b"def"):
            for _ in range(5):
                await looks.get()
            writer.write(body)
        assert await answered(reader) == b"200 9"
    assert pieces == [b"", b"abc", b"def"]
