"""A view on a real server, and a client that speaks to it byte by byte."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from inference.http.views import ExpressView


@contextlib.asynccontextmanager
async def serving(view: type[ExpressView]) -> AsyncIterator[tuple[str, int]]:
    """The address of a server that has this view only."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await view.serve(scope, receive, send, {})

    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            await task


class Connection:
    """A client that writes its bytes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def post(self, *lines: str, body: bytes = b"") -> None:
        """Begin a POST."""
        head = ["POST / HTTP/1.1", "Host: localhost", "Content-Type: text/csv", *lines, "", ""]
        self.writer.write("\r\n".join(head).encode() + body)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def get(self, path: str) -> None:
        """Ask for a streamed answer."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers, JSON body."""
        top = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = top.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return (
            int(status.split()[1]),
            headers,
            json.loads(await self.reader.readexactly(int(headers["content-length"]))),
        )


@contextlib.asynccontextmanager
async def connected(address: tuple[str, int], limit: int = 2**16) -> AsyncIterator[Connection]:
    """A connection of such a client; `limit` is how many bytes it takes unread."""
    reader, writer = await asyncio.open_connection(*address, limit=limit)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
