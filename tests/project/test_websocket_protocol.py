"""Frames gathered into one write, against a client that knows nothing of it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from project.websocket_protocol import BurstProtocol

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70_000]
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class CountingProtocol(BurstProtocol):
    """Keeps how many bytes each write had."""

    writes: list[int]

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        type(self).writes = []
        write = transport.write

        def counted(data: bytes) -> None:
            type(self).writes.append(len(data))
            write(data)

        self.transport = _Transport(transport, counted)


class _Transport:
    """A transport whose `write` is another one: those of event loops take no attributes."""

    def __init__(self, transport: Any, write: Callable[[bytes], None]) -> None:
        self._transport = transport
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@asynccontextmanager
async def served(application: Application) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """The application on a socket of its own; gives its address."""

    async def accepting(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await application(scope, receive, send)

    config = uvicorn.Config(
        accepting, ws=CountingProtocol, lifespan="off", ws_per_message_deflate=False, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            await task


async def test_what_is_sent_in_one_turn_is_written_once() -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for number in range(10):
            await send({"type": "websocket.send", "text": str(number)})
        await receive()

    async with served(application) as (address, _), connect(address) as client:
        assert [await client.recv() for _ in range(10)] == [str(number) for number in range(10)]

        handshake, *writes = CountingProtocol.writes
        assert handshake > 100
        assert writes == [10 * 3]


async def test_texts_of_every_size_arrive_whole_and_in_order() -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for size in SIZES:
            await send({"type": "websocket.send", "text": "ü" * (size // 2) + "x" * (size % 2)})
        await receive()

    async with served(application) as (address, _), connect(address, compression=None) as client:
        assert [len((await client.recv()).encode()) for _ in SIZES] == SIZES


async def test_bytes_keep_their_place_between_texts() -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for number in range(4):
            kind = "bytes" if number % 2 else "text"
            await send({"type": "websocket.send", kind: b"%d" % number if kind == "bytes" else str(number)})
        await receive()

    async with served(application) as (address, _), connect(address) as client:
        assert [await client.recv() for _ in range(4)] == ["0", b"1", "2", b"3"]


async def test_a_close_comes_behind_what_was_sent() -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "last"})
        await send({"type": "websocket.close", "code": 4401, "reason": "gone"})

    async with served(application) as (address, _), connect(address) as client:
        assert await client.recv() == "last"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd.code == 4401


async def test_the_servers_stop_comes_behind_what_was_sent() -> None:
    sent = asyncio.Event()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.send", "text": "last"})
        scope["stop"]()
        sent.set()
        await receive()

    async def stopping(scope: dict[str, Any], receive: Any, send: Any) -> None:
        protocol = next(one for one in server.server_state.connections if isinstance(one, BurstProtocol))
        await application(scope | {"stop": protocol.shutdown}, receive, send)

    async with served(stopping) as (address, server), connect(address) as client:
        await client.send("go")
        assert await client.recv() == "last"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd.code == 1012


async def test_a_client_that_does_not_read_stops_the_sender() -> None:
    sent = 0
    stopped = asyncio.Event()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal sent
        while True:
            sending = asyncio.ensure_future(send({"type": "websocket.send", "text": "x" * 50_000}))
            done, _ = await asyncio.wait({sending}, timeout=0.5)
            if not done:
                stopped.set()
                sending.cancel()
                return
            sent += 1

    async with served(application) as (address, _):
        host, port = address.removeprefix("ws://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        handshake = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
        writer.write(f"GET / HTTP/1.1\r\nhost: x\r\n{handshake}{key}\r\n\r\n".encode())
        async with asyncio.timeout(30):
            await stopped.wait()
        assert sent < 1000
        writer.transport.abort()


async def test_sending_to_a_client_that_left_is_an_error() -> None:
    told: asyncio.Future[type[BaseException]] = asyncio.get_running_loop().create_future()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except OSError as error:
            told.set_result(type(error))

    async with served(application) as (address, _):
        async with connect(address):
            pass
        async with asyncio.timeout(10):
            assert issubclass(await told, OSError)
