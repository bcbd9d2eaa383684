"""Files on their way in, over real sockets: whole, too large, cut, slow, and where there is no room."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from inference.http import uploads
from inference.http.replies import Reply
from inference.http.requests import Request
from inference.http.uploads import received
from inference.http.views import ExpressView
from tests.inference.http.connection import connected, serving

LIMIT = 3 * 1024 * 1024


class Keeper(ExpressView):
    """Takes a file in, and says what came."""

    authentication_classes = []
    permission_classes = []
    accepted = ("text/csv",)
    folder: Path

    async def post(self, request: Request) -> Reply:
        """Its size and digest."""
        async with received(request, folder=self.folder, most_bytes=LIMIT) as upload:
            there = upload.path.stat().st_size
            body = {"bytes": upload.bytes, "there": there, "sha256": upload.sha256}
        return Reply(body=json.dumps(body).encode(), status=201)


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """The view on a real server."""
    Keeper.folder = tmp_path / "tmp"
    async with serving(Keeper) as address:
        yield address


def left_behind() -> list[Path]:
    return list(Keeper.folder.glob("*"))


async def until(holds: Callable[[], object]) -> None:
    """Return once something holds."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 10 s")


async def nothing_is_left() -> None:
    """Return once no upload is under way any more and its file is gone."""
    await until(lambda: not uploads._under_way and not left_behind())


async def test_a_file_is_written_aside_counted_and_digested(address: tuple[str, int]) -> None:
    body = os.urandom(LIMIT)
    async with connected(address) as client:
        await client.post(f"Content-Length: {LIMIT}", body=body)
        status, _, said = await client.answer()
    assert status == 201
    assert said == {"bytes": LIMIT, "there": LIMIT, "sha256": hashlib.sha256(body).hexdigest()}
    assert left_behind() == []


async def test_a_file_of_unannounced_length_is_counted(address: tuple[str, int]) -> None:
    piece = b"%x\r\n" % 65536 + bytes(65536) + b"\r\n"
    async with connected(address) as client:
        await client.post("Transfer-Encoding: chunked", body=3 * piece + b"0\r\n\r\n")
        assert (await client.answer())[2]["bytes"] == 3 * 65536
        await client.post("Transfer-Encoding: chunked", body=49 * piece)
        status, headers, problem = await client.answer()
    assert (status, problem["code"], problem["limit"]) == (413, "file_too_large", LIMIT)
    assert headers["connection"] == "close"
    assert left_behind() == []


async def test_a_file_announced_too_large_is_refused_before_it_is_sent(address: tuple[str, int]) -> None:
    async with connected(address) as client:
        await client.post(f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
        status, _, problem = await client.answer()
    assert (status, problem["code"]) == (413, "file_too_large")


async def test_of_a_file_that_is_cut_nothing_is_left(address: tuple[str, int]) -> None:
    """B59"""
    async with connected(address) as client:
        await client.post(f"Content-Length: {LIMIT}", body=bytes(2 * LIMIT // 3))
        await until(left_behind)
    await nothing_is_left()


async def test_a_file_that_stops_coming_is_refused(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "IDLE_S", 0.2)
    async with connected(address) as client:
        await client.post("Content-Length: 101", body=bytes(100))
        status, headers, problem = await client.answer()
        assert (status, problem["code"], headers["connection"]) == (400, "incomplete_upload", "close")
    await nothing_is_left()


async def test_a_file_that_trickles_in_is_refused_in_the_end(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "WHOLE_S", 0.5)
    async with connected(address) as client:
        await client.post(f"Content-Length: {LIMIT}")
        answer = asyncio.create_task(client.answer())
        while not answer.done():
            client.writer.write(b"x")
            await asyncio.wait([answer], timeout=0.05)
        status, _, problem = await answer
    assert (status, problem["code"]) == (400, "incomplete_upload")
    await nothing_is_left()


async def test_without_room_a_file_is_refused_as_507(address: tuple[str, int], tmp_path: Path) -> None:
    """B60: `/dev/full` is a disk without room; a folder that leads there would need rights that tests lack."""
    Keeper.folder = tmp_path / "full"
    Keeper.folder.mkdir()
    opened = os.open

    def full(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        named_upload = "upload-" in str(path)
        return opened(
            "/dev/full" if named_upload else path, flags & ~(os.O_EXCL | os.O_CREAT) if named_upload else flags
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploads.os, "open", full)
        async with connected(address) as client:
            await client.post("Content-Length: 10", body=bytes(10))
            status, _, problem = await client.answer()
    assert (status, problem["code"]) == (507, "storage_full")


async def test_no_more_files_than_agreed_come_in_at_once(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_AT_ONCE", 1)
    async with connected(address) as one, connected(address) as other:
        await one.post("Content-Length: 10", body=bytes(5))
        await until(lambda: uploads._under_way)
        await other.post("Content-Length: 10", body=bytes(10))
        status, headers, problem = await other.answer()
        assert (status, problem["code"]) == (503, "overloaded")
        assert int(headers["retry-after"]) >= 1
        one.writer.write(bytes(5))
        assert (await one.answer())[0] == 201


async def test_what_killed_processes_left_is_removed(address: tuple[str, int]) -> None:
    Keeper.folder.mkdir()
    # The second as Django names what a form sends.
    olds, new = [Keeper.folder / "upload-old", Keeper.folder / "tmpold.upload.csv"], Keeper.folder / "upload-new"
    for path in (*olds, new):
        path.write_bytes(b"x")
    for path in olds:
        os.utime(path, (0, 0))
    async with connected(address) as client:
        await client.post("Content-Length: 1", body=b"x")
        assert (await client.answer())[0] == 201
    assert left_behind() == [new]


async def test_another_type_of_file_is_refused(address: tuple[str, int]) -> None:
    async with connected(address) as client:
        await client.post("Content-Length: 1", "Content-Type: text/plain", body=b"x")
        status, _, problem = await client.answer()
    assert (status, problem["code"], problem["accepted"]) == (415, "unsupported_media_type", "text/csv")
