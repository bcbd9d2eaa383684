"""A device's side of a stream, on a real socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.faults.stack import ENDPOINT, Stack

ROW = [50, 21, 77, 0, 28, 0, 27, 48, 22]
READING = json.dumps({"features": ROW})
NAMED = dict(zip([f"s{n}" for n in range(1, 10)], ROW, strict=True))


def address(server: Stack, query: str = "", *, endpoint: str = ENDPOINT) -> str:
    """Where its socket opens."""
    return f"ws://{server.host}:{server.port}/ws/v1/endpoints/{endpoint}/stream{query}"


@asynccontextmanager
async def stream(
    server: Stack, query: str = "", *, token: str | None = None, **options: Any
) -> AsyncIterator[ClientConnection]:
    """An open socket, its hello still to be received."""
    headers = options.pop("additional_headers", {"Authorization": f"Bearer {token or server.token}"})
    async with connect(address(server, query), additional_headers=headers, compression=None, **options) as one:
        yield one


async def received(one: ClientConnection) -> dict[str, Any]:
    """The next frame."""
    async with asyncio.timeout(30):
        return json.loads(await one.recv())


async def asked(one: ClientConnection, text: str | bytes = READING) -> dict[str, Any]:
    """The next frame after one was sent."""
    await one.send(text)
    return await received(one)


async def closed(one: ClientConnection) -> int:
    """Read to the end; the close code."""
    await rest(one)
    return one.close_code or 1006


async def rest(one: ClientConnection) -> list[dict[str, Any]]:
    """Every frame up to the end of the socket."""
    async with asyncio.timeout(30):
        return [json.loads(text) async for text in _until_closed(one)]


async def _until_closed(one: ClientConnection) -> AsyncIterator[str | bytes]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await one.recv()


async def refused(server: Stack, query: str = "", **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and problem document of a handshake that must not open."""
    options.setdefault("additional_headers", {"Authorization": f"Bearer {server.token}"})
    endpoint = options.pop("endpoint", ENDPOINT)
    uri = options.pop("uri", None) or address(server, query, endpoint=endpoint)
    with pytest.raises(InvalidStatus) as refusal:
        await connect(uri, compression=None, **options)
    response = refusal.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)
