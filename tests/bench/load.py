"""Load generators, as light as they can be: they share the machine's cores with the server they measure.

Finished bytes go out, answers are counted and not decoded. The same generator serves a reference and its stage, so
its own cost stands on both sides of the ratio.
"""

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

from tests.bench.readings import text_frame


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load. `pid` is the process whose CPU time is read; `finished` the bytes each client sends."""

    host: str
    port: int
    pid: int
    finished: list[bytes]
    path: str = "/"
    token: str = ""
    says_hello: bool = False


@dataclass(slots=True)
class Load:
    """What the clients of one run count together, while `open`."""

    target: Target
    in_flight: int
    open: bool = True
    answers: int = 0
    refused: int = 0
    lost: int = 0
    first_refusal: str = ""
    round_trips_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rate:
    """One run: answers a second, the server's CPU per answer, the median round trip and what went wrong.

    The round trip is measured with one in flight only, and is NaN otherwise.
    """

    per_second: float
    cpu_us: float
    p50_ms: float
    refused: int
    lost: int
    first_refusal: str


class _Client(asyncio.Protocol):
    """What the two protocols share: a turn of finished bytes, and the wait for being ready."""

    def __init__(self, load: Load, number: int) -> None:
        self.load = load
        self.finished = load.target.finished
        self.next = number * 97 % len(self.finished)
        self.rest = b""
        self.sent_at = 0.0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.load.open:
            self.load.lost += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"closed before it was ready: {exc!r}; {self.rest[:300]!r}"))

    def fire(self, count: int) -> None:
        """Send the next `count` of the finished bytes in one write."""
        start = self.next
        end = start + count
        burst = self.finished[start:end]
        if len(burst) < count:
            end = count - len(burst)
            burst += self.finished[:end]
        self.next = end
        if self.load.in_flight == 1:
            self.sent_at = time.perf_counter()
        self.transport.write(burst[0] if count == 1 else b"".join(burst))

    def answered(self, count: int) -> None:
        """Count `count` answers and send as many new ones."""
        load = self.load
        load.answers += count
        if load.in_flight == 1:
            load.round_trips_s.append(time.perf_counter() - self.sent_at)
        if load.open:
            self.fire(count)

    def refused(self, answer: bytes) -> None:
        """Count an answer that is an error, and keep the first to be shown."""
        if not self.load.refused:
            self.load.first_refusal = answer[:300].decode(errors="replace")
        self.load.refused += 1


class StreamClient(_Client):
    """One WebSocket. Knows frames, and of Foretell's messages only how they begin."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        target = self.load.target
        bearer = f"authorization: Bearer {target.token}\r\n" if target.token else ""
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {target.path} HTTP/1.1\r\nhost: {target.host}:{target.port}\r\nupgrade: websocket\r\n"
            f"connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n{bearer}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        if not self.ready.done():
            data = self._handshake(data)
        position, size, count = 0, len(data), 0
        while size - position >= 2:
            length, start = data[position + 1], position + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            end = start + length
            if end > size:
                break
            count += self._answers(data, position, start, end)
            position = end
        self.rest = data[position:]
        if count:
            self.answered(count)

    def _handshake(self, data: bytes) -> bytes:
        """Take the HTTP answer, and the hello where there is one; what follows is left."""
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            return data
        if not head.startswith(b"HTTP/1.1 101"):
            self.rest = data
            self.transport.close()
            return b""
        if not self.load.target.says_hello:
            self.ready.set_result(None)
        return rest if rest[:1] != b"H" else b""

    def _answers(self, data: bytes, position: int, start: int, end: int) -> int:
        """How many readings the frame in `data[start:end]` answers."""
        if data[position] != 0x81:
            if data[position] == 0x89:
                # A pong without the ping's payload is none: the server would hang up after a while.
                self.transport.write(text_frame(data[start:end], opcode=10))
            return 0
        if not self.load.target.says_hello or data.startswith(b'{"type":"prediction",', start):
            return 1
        if data.startswith(b'{"type":"predictions",', start):
            if data.find(b'"type":"error"', start, end) >= 0:
                self.refused(data[start:end])
            return data.count(b'"type":"', start, end) - 1
        if data.startswith(b'{"type":"hello"', start):
            self.ready.set_result(None)
            return 0
        if data.startswith(b'{"type":"error"', start):
            self.refused(data[start:end])
            return 1
        return 0


class HttpClient(_Client):
    """One keep-alive HTTP/1.1 connection with one request in flight."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        body = data.find(b"\r\n\r\n") + 4
        if body > 3:
            mark = data.find(b"content-length: ") + 16
            if len(data) - body >= int(data[mark : data.find(b"\r", mark)]):
                self.rest = b""
                if not data.startswith(b"HTTP/1.1 200"):
                    self.refused(data)
                self.answered(1)
                return
        self.rest = data


async def connect(target: Target, load: Load, sockets: int, kind: type[_Client]) -> list[_Client]:
    """Open all sockets, in groups the listen queue holds, and wait until each is ready."""
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    while len(clients) < sockets:
        group = range(len(clients), min(len(clients) + 50, sockets))
        opened = await asyncio.gather(
            *(
                loop.create_connection(lambda number=number: kind(load, number), target.host, target.port)
                for number in group
            )
        )
        await asyncio.gather(*(protocol.ready for _, protocol in opened))
        clients += [protocol for _, protocol in opened]
    return clients


async def run(
    target: Target, *, sockets: int, in_flight: int, kind: type[_Client], warm_up_s: float = 0.5, measured_s: float = 3
) -> Rate:
    """Hold `in_flight` readings on each of `sockets` connections for the given time and count the answers."""
    load = Load(target, in_flight)
    clients = await connect(target, load, sockets, kind)
    server = psutil.Process(target.pid)
    for client in clients:
        client.fire(in_flight)
    await asyncio.sleep(warm_up_s)
    load.round_trips_s.clear()
    answers, cpu_s, started = load.answers, sum(server.cpu_times()[:2]), time.perf_counter()
    await asyncio.sleep(measured_s)
    answers, cpu_s, took_s = load.answers - answers, sum(server.cpu_times()[:2]) - cpu_s, time.perf_counter() - started
    load.open = False
    for client in clients:
        client.transport.abort()
    # A turn of the loop lets the transports go before the next run opens its own.
    await asyncio.sleep(0.05)
    trips = sorted(load.round_trips_s)
    p50_ms = trips[len(trips) // 2] * 1000 if trips else float("nan")
    cpu_us = cpu_s / answers * 1e6 if answers else float("nan")
    return Rate(answers / took_s, cpu_us, p50_ms, load.refused, load.lost, load.first_refusal)
