"""Clients that keep sending through whatever happens, and write down what they saw."""

import asyncio
import itertools
import json
import logging
from collections import deque
from collections.abc import Iterator
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.bench.readings import NAMES
from tests.faults.history import History, Operation
from tests.faults.stack import ENDPOINT, Stack

AWAY = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError)
RETRY_S = 0.05
# httpx tells of every request.
logging.getLogger("httpx").setLevel(logging.WARNING)
DRAIN_S = 30
"""How long a stopped sender waits for what it still has in flight."""


class Progress:
    """Counts answers and events, and lets a test wait for them."""

    def __init__(self) -> None:
        self.answers = 0
        self.version: str | None = None
        self.events: list[str] = []
        self._changed = asyncio.Event()

    def note_answer(self, version: str | None) -> None:
        """One more answer came, from that version; None when it was a refusal."""
        self.answers += 1
        self.version = version
        self._wake()

    def note_event(self, event: str) -> None:
        """An event came."""
        self.events.append(event)
        self._wake()

    async def reaches(self, answers: int) -> None:
        """Return when there are that many answers."""
        while self.answers < answers:
            await self._changed.wait()

    async def is_answered_by(self, version: str) -> None:
        """Return when the last answer is from that version."""
        while self.version != version:
            await self._changed.wait()

    async def is_told(self, event: str) -> None:
        """Return when an event came, and forget those up to it."""
        while event not in self.events:
            await self._changed.wait()
        del self.events[: self.events.index(event) + 1]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Sender(Progress):
    """One device socket with a window of readings in flight, opened again whenever it is lost.

    Args:
        rows: the readings to send, without end.
        window: how many are in flight.
        poison_at: the position on the first connection whose reading has a client id that begins with `poison `.
    """

    def __init__(
        self,
        stack: Stack,
        history: History,
        name: str,
        rows: Iterator[tuple[float, ...]],
        *,
        window: int = 4,
        poison_at: int | None = None,
    ) -> None:
        super().__init__()
        self.stack = stack
        self.history = history
        self.name = name
        self.rows = rows
        self.window = window
        self.poison_at = poison_at
        self.connections = 0
        self.close_codes: list[int | None] = []
        self._stopping = asyncio.Event()
        self._in_flight: deque[tuple[int, str, tuple[float, ...]]] = deque()

    def stop(self) -> None:
        """Send no more; `run` ends when what is in flight is answered."""
        self._stopping.set()

    async def run(self) -> None:
        """Send and receive until stopped, over as many connections as it takes."""
        while not self._stopping.is_set():
            try:
                async with connect(self._address, additional_headers=self._bearer, compression=None) as socket:
                    self.connections += 1
                    await socket.recv()
                    await self._converse(socket)
            except AWAY as error:
                if isinstance(error, ConnectionClosed):
                    self.close_codes.append(error.rcvd.code if error.rcvd else None)
                self._give_up()
                await asyncio.sleep(RETRY_S)
        self._give_up()

    @property
    def _address(self) -> str:
        return f"ws://{self.stack.host}:{self.stack.port}/ws/v1/endpoints/{ENDPOINT}/stream?hello=short"

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.stack.token}"}

    async def _converse(self, socket: ClientConnection) -> None:
        """Keep the window full until stopped, then take the answers that are due."""
        positions = itertools.count()
        answered = itertools.count()
        for _ in range(self.window):
            await self._send(socket, next(positions))
        while self._in_flight:
            waiting = asyncio.timeout(DRAIN_S) if self._stopping.is_set() else asyncio.timeout(None)
            async with waiting:
                message = json.loads(await socket.recv())
            if message["type"] == "event":
                self.note_event(message["event"])
                continue
            self._take(message, next(answered))
            if not self._stopping.is_set():
                await self._send(socket, next(positions))

    async def _send(self, socket: ClientConnection, position: int) -> None:
        row = next(self.rows)
        client_id = f"{self.name}.{self.connections}.{position}"
        if position == self.poison_at and self.connections == 1:
            client_id = f"poison {client_id}"
        self._in_flight.append((position, client_id, row))
        await socket.send(json.dumps({"features": dict(zip(NAMES, row, strict=True)), "id": client_id}))

    def _take(self, message: dict[str, Any], answered: int) -> None:
        """Write down the answer to the oldest reading in flight: answers come in order."""
        position, client_id, row = self._in_flight.popleft()
        prediction = message["type"] == "prediction"
        self.history.add(
            Operation(
                client=self.name,
                connection=self.connections,
                position=position,
                client_id=client_id,
                features=row,
                outcome="ok" if prediction else "fail",
                answered=answered,
                # An answer that belongs to another reading is the worst that can happen: the code makes it seen.
                code=message.get("code") if message.get("client_id", client_id) == client_id else "answer_of_another",
                id=message.get("id"),
                output=message.get("output"),
                version=message.get("version"),
                stored=message.get("stored"),
            )
        )
        self.note_answer(message.get("version"))

    def _give_up(self) -> None:
        """Write down what is in flight as unknown: the connection is gone."""
        while self._in_flight:
            position, client_id, row = self._in_flight.popleft()
            self.history.add(
                Operation(
                    client=self.name,
                    connection=self.connections,
                    position=position,
                    client_id=client_id,
                    features=row,
                    outcome="info",
                )
            )


class Caller(Progress):
    """One REST client that asks again and again over a kept connection; `stop` ends it after the current answer."""

    def __init__(self, stack: Stack, history: History, name: str, rows: Iterator[tuple[float, ...]]) -> None:
        super().__init__()
        self.stack = stack
        self.history = history
        self.name = name
        self.rows = rows
        self._stopping = False

    def stop(self) -> None:
        """Ask no more."""
        self._stopping = True

    async def run(self) -> None:
        """Ask for one prediction after the other."""
        base = f"http://{self.stack.host}:{self.stack.port}"
        bearer = {"Authorization": f"Bearer {self.stack.token}"}
        async with httpx.AsyncClient(base_url=base, headers=bearer, timeout=20) as client:
            for position in itertools.count():
                if self._stopping:
                    return
                row = next(self.rows)
                try:
                    answer = await client.post(
                        f"/api/v1/endpoints/{ENDPOINT}/predict", json={"features": dict(zip(NAMES, row, strict=True))}
                    )
                except httpx.HTTPError as error:
                    self._note(position, row, "info", code=type(error).__name__)
                    await asyncio.sleep(RETRY_S)
                    continue
                if answer.status_code == 200:
                    self._note(position, row, "ok", **answer.json()["predictions"][0])
                else:
                    self._note(position, row, "fail", code=answer.json().get("code", str(answer.status_code)))

    def _note(self, position: int, row: tuple[float, ...], outcome: Any, **answer: Any) -> None:
        known = {key: value for key, value in answer.items() if key in Operation.__struct_fields__}
        self.history.add(
            Operation(
                client=self.name,
                connection=1,
                position=position,
                client_id=None,
                features=row,
                outcome=outcome,
                answered=position,
                **known,
            )
        )
        self.note_answer(answer.get("version"))
