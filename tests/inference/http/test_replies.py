"""Streamed answers, over real sockets: whole, broken off, not begun, and to clients that leave or take nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from inference.http import replies
from inference.http.errors import UploadStorageFull
from inference.http.replies import StreamedReply
from inference.http.requests import Request
from inference.http.views import ExpressView
from tests.inference.http.connection import connected, serving


class Giver(ExpressView):
    """Gives as many pieces as it is told to; under a thousand it fails after ten, of none before the first."""

    authentication_classes = []
    permission_classes = []
    parameters = ("pieces",)
    offered = ("text/csv",)
    closed: asyncio.Event

    async def get(self, request: Request) -> StreamedReply:
        """Stream."""
        return StreamedReply(
            pieces=self._pieces(int(request.query(*self.parameters)["pieces"])), media_type=b"text/csv"
        )

    async def _pieces(self, count: int) -> AsyncGenerator[bytes, None]:
        try:
            if count == 0:
                raise UploadStorageFull
            for number in range(count):
                if number == 10 and count < 1000:
                    raise RuntimeError("the database went away")
                yield b"x" * 65536
        finally:
            self.closed.set()


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    """The view on a real server."""
    Giver.closed = asyncio.Event()
    async with serving(Giver) as address:
        yield address


async def test_a_streamed_answer_comes_whole(address: tuple[str, int]) -> None:
    async with connected(address) as client:
        await client.get("/?pieces=3")
        top = (await client.reader.readuntil(b"\r\n\r\n")).decode().lower()
        received = await client.reader.read(-1)
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert "content-type: text/csv" in top
    assert "x-request-id" in top
    assert received.count(b"x") == 3 * 65536
    await Giver.closed.wait()


async def test_a_streamed_answer_that_fails_is_broken_off(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(address) as client:
        await client.get("/?pieces=20")
        received = await client.reader.read(-1)
    assert received.count(b"x" * 65536) == 10
    assert not received.endswith(b"\r\n0\r\n\r\n")
    assert "an answer was broken off" in caplog.text


async def test_a_streamed_answer_that_cannot_begin_is_a_problem(address: tuple[str, int]) -> None:
    async with connected(address) as client:
        await client.get("/?pieces=0")
        status, _, problem = await client.answer()
    assert (status, problem["code"]) == (507, "storage_full")


async def test_a_streamed_answer_is_made_no_longer_once_its_client_has_left(address: tuple[str, int]) -> None:
    async with connected(address) as client:
        await client.get("/?pieces=1000000")
        await client.reader.readexactly(65536)
    async with asyncio.timeout(10):
        await Giver.closed.wait()


async def test_a_client_that_takes_nothing_is_left_alone(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replies, "STALLED_S", 0.2)
    async with connected(address, limit=1) as client:
        await client.get("/?pieces=1000000")
        async with asyncio.timeout(10):
            await Giver.closed.wait()
    assert "takes nothing" in caplog.text
