"""Stands between Foretell and its Postgres and cuts or swallows what passes.

It reads the frontend half of the protocol as far as it must to cut at an exact message: between COMMIT and its reply.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from project.embedded import EmbeddedPostgres, Quarters

Cut = Literal["before", "sent", "answered"]
"""Where the line is cut: the message never reaches the server; it does and nobody waits; its reply is swallowed."""

SOCKET_NAME = ".s.PGSQL.5432"
COPY_DONE = b"c"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client to Postgres; `kind` is empty for those of the start-up."""

    kind: bytes
    payload: bytes


@dataclass(slots=True, eq=False)
class _Line:
    """The two ends of one connection. `last` is set when the next reply is the one to swallow."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    last: bool = False


class Proxy:
    """A Postgres socket that leads to another one. Use as an async context; `url` is its address.

    `cut_at` arms one cut: the first message for which the predicate holds. `cuts` counts those that happened.
    While `open` is cleared nothing passes, in either direction: a black hole.
    """

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._quarters = Quarters(postgres.home)
        self._folder = Path(tempfile.mkdtemp(prefix="ft-"))
        self._tasks: set[asyncio.Task[None]] = set()
        self._predicate: Callable[[Message], bool] | None = None
        self._cut: Cut = "before"
        self._server: asyncio.Server | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.cuts = 0
        self.has_cut = asyncio.Event()

    @property
    def url(self) -> str:
        """Its address, as `DATABASE_URL` spells it."""
        return self._postgres.url.replace(str(self._quarters.sockets), str(self._folder))

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_unix_server(self._accept, self._folder / SOCKET_NAME)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._folder)

    def cut_at(self, predicate: Callable[[Message], bool], cut: Cut) -> None:
        """Cut the line of the first message for which `predicate` holds, once, at the given moment."""
        self._predicate, self._cut = predicate, cut
        self.has_cut.clear()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [client]
        with contextlib.suppress(OSError, asyncio.CancelledError):
            answers, server = await asyncio.open_unix_connection(self._quarters.sockets / SOCKET_NAME)
            writers.append(server)
            # Drained then means sent: a cut right after it does not swallow the message itself.
            server.transport.set_write_buffer_limits(0)
            await self._pass(_Line(client, server), reader, answers)
        for writer in writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._tasks.discard(task)

    async def _pass(self, line: _Line, reader: asyncio.StreamReader, answers: asyncio.StreamReader) -> None:
        """Pass both directions until one ends."""
        directions = [
            asyncio.create_task(self._forward(line, reader)),
            asyncio.create_task(self._return(line, answers)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _forward(self, line: _Line, reader: asyncio.StreamReader) -> None:
        """Pass the client's messages on, up to the one to cut at."""
        messages = Messages()
        while data := await reader.read(65536):
            await self.open.wait()
            # What was read at once counts as one: libpq may put several messages into one write.
            hit = any([self._predicate is not None and self._predicate(message) for message in messages.feed(data)])
            if hit:
                self._predicate = None
                line.last = self._cut == "answered"
            if not hit or self._cut != "before":
                line.server.write(data)
                await line.server.drain()
            if hit and not line.last:
                self._note_cut()
                return

    async def _return(self, line: _Line, answers: asyncio.StreamReader) -> None:
        """Pass the server's replies back, except the one that is to be swallowed."""
        while data := await answers.read(65536):
            await self.open.wait()
            if line.last:
                self._note_cut()
                return
            line.client.write(data)
            await line.client.drain()

    def _note_cut(self) -> None:
        self.cuts += 1
        self.has_cut.set()


class Messages:
    """Splits a client's bytes into messages. The first ones, of the start-up, have no kind."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes."""
        self._rest += data
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> Message | None:
        head = 1 if self._started else 0
        if len(self._rest) < head + 4:
            return None
        size = int.from_bytes(self._rest[head : head + 4], "big")
        if len(self._rest) < head + size:
            return None
        kind, payload = self._rest[:head], self._rest[head + 4 : head + size]
        self._rest = self._rest[head + size :]
        # Requests for TLS and GSS come before the start-up message itself; their codes are 1234 in the high half.
        if not self._started and not payload.startswith(b"\x04\xd2"):
            self._started = True
        return Message(kind, payload)
