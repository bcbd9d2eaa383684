"""What a serving process starts and stops: the one place where its parts are put together."""

import asyncio
import gc
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import structlog
from django.conf import settings

from inference import artifacts
from inference.catalog import Catalog
from inference.credentials import Credentials
from inference.database import Database
from inference.predictor import Predictor
from inference.presence import Presence
from inference.recorder import Recorder
from inference.revision import Revision
from streaming.position import StreamPositions
from streaming.publisher import Publisher
from streaming.sockets import OpenSockets

logger = structlog.get_logger(__name__)

DRAIN_S = 10.0
"""How long open sockets may take to end."""
ENDS_S = 13.0
"""How long all of an end may take, under the 15 s that we promise: what the sockets took, storing has no more."""
SWITCH_S = 0.0005
"""How long a thread may keep the interpreter while the event loop waits for it: Python's own 5 ms, several times a
request, would triple the latency of live predictions while a download is being written."""
THREADS = max(2, min(4, os.cpu_count() or 2))
"""Run the models too slow for the event loop. Each holds one core while it does."""


class Runtime:
    """The parts of one serving process. Its methods belong to the event loop that serves."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="model")
        self._database = Database(settings.DATABASE_URL)
        self._revision = Revision(self._database)
        recorder = Recorder(settings.DATABASE_URL, participants=(StreamPositions(),))
        store = artifacts.store()
        self.sockets = OpenSockets()
        self.predictor = Predictor(
            catalog=Catalog(self._database, store, executor=self._executor, revision=self._revision),
            credentials=Credentials(self._database, revision=self._revision),
            recorder=recorder,
            database=self._database,
        )
        self._publisher = Publisher(self.predictor, self.sockets)
        self._presence = Presence(self._database, lambda: self.sockets.by_device)
        self._running: list[asyncio.Task[None]] = []
        self._draining: asyncio.Task[None] | None = None
        self._ends_at: float | None = None

    async def start(self) -> None:
        """Open the database, learn what is live, and take over the signals that end the process."""
        sys.setswitchinterval(SWITCH_S)
        await self._database.open()
        await self.predictor.recorder.start()
        await self._revision.start()
        await self.predictor.catalog.start()
        await self.predictor.credentials.start()
        self._running = [
            asyncio.create_task(self.sockets.watch(), name="sockets"),
            asyncio.create_task(self._publisher.run(), name="publisher"),
            asyncio.create_task(self._presence.run(), name="presence"),
        ]
        self._drain_on(signal.SIGTERM)
        self._drain_on(signal.SIGINT)
        # What is there now stays. Looking through all of it, as each full collection would, stops everything for
        # up to half a second, and a download makes enough objects to cause one every few seconds.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """End in an order that loses nothing: sockets, then what they sent, then what it needed."""
        await self.sockets.drain(min(DRAIN_S, self._left_s()))
        for task in self._running:
            task.cancel()
        await self._presence.stop()
        await self.predictor.credentials.stop()
        await self.predictor.catalog.stop()
        await self._revision.stop()
        await self.predictor.recorder.stop(self._left_s())
        await self._database.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _left_s(self) -> float:
        """What is left of the time to end in, which begins with the first question."""
        now = asyncio.get_running_loop().time()
        if self._ends_at is None:
            self._ends_at = now + ENDS_S
        return max(1.0, self._ends_at - now)

    def _drain_on(self, number: signal.Signals) -> None:
        """Let open sockets end by themselves before the server hears of the signal, which would cut them."""
        serve = signal.getsignal(number)
        if not callable(serve):
            return
        loop = asyncio.get_running_loop()

        async def drain(frame: FrameType | None) -> None:
            await self.sockets.drain(min(DRAIN_S, self._left_s()))
            serve(number, frame)

        def begin(frame: FrameType | None) -> None:
            if self._draining is None:
                self._draining = loop.create_task(drain(frame), name="drain")
            else:
                # Asked twice: whoever asks does not want to wait.
                serve(number, frame)

        signal.signal(number, lambda _, frame: loop.call_soon_threadsafe(begin, frame))
