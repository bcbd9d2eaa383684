"""Micro-batches without waiting: what arrives in one turn of the event loop is predicted by one call of the model.

The first job of a turn schedules a flush for the end of that turn. An idle server adds no delay; a busy one finds
its batches already made. A model that needs long runs in a thread, one batch at a time, and gathers the next one
meanwhile. Each outcome goes back to its own row, whatever happened to its neighbours.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

import structlog

from inference.engine.errors import ForetellError, ModelError, ModelUnavailable, PredictTimeout
from inference.engine.signature import Row

logger = structlog.get_logger(__name__)

MAX_ROWS = 64
"""Rows a batch: beyond it the cost a row no longer falls and everyone waits longer (docs/benchmarks.md)."""
TIMEOUT_S = 5.0

Outcome = str | ForetellError
"""A row's output as JSON text, or why there is none."""


class Model(Protocol):
    """What a batcher runs: `LoadedModel`, or a stand-in with its two promises."""

    @property
    def tag(self) -> str:
        """The version's tag."""

    @property
    def inline(self) -> bool:
        """Whether a full batch is quick enough to run on the event loop."""

    def predict(self, rows: Sequence[Row]) -> list[str]:
        """One JSON text a row."""


class Job(Protocol):
    """Rows of one caller that wait for their outcomes."""

    inputs: Sequence[Row]

    def predicted(self, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes, one a row and in their order. Called once, on the event loop."""


class Batcher:
    """Gathers the jobs of one version in one process. Its methods belong to the event loop that runs it."""

    def __init__(
        self, model: Model, executor: Executor, *, max_rows: int = MAX_ROWS, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.model = model
        self._executor = executor
        self._max_rows = max_rows
        self._timeout_s = timeout_s
        self._waiting: deque[Job] = deque()
        self._scheduled = False

    def submit(self, job: Job) -> None:
        """Predict the job's rows in this turn's batch, or in the next that has room. Jobs keep their order."""
        self._waiting.append(job)
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        jobs = self._take()
        rows = [row for job in jobs for row in job.inputs] if len(jobs) > 1 else jobs[0].inputs
        if self.model.inline:
            self._deliver(jobs, self._outcomes(rows))
            self._next()
        else:
            self._run_in_thread(jobs, rows)

    def _next(self) -> None:
        self._scheduled = False
        if self._waiting:
            self._schedule()

    def _take(self) -> list[Job]:
        """Jobs up to the batch size; a job larger than that goes alone."""
        jobs = [self._waiting.popleft()]
        rows = len(jobs[0].inputs)
        while self._waiting and rows + len(self._waiting[0].inputs) <= self._max_rows:
            rows += len(self._waiting[0].inputs)
            jobs.append(self._waiting.popleft())
        return jobs

    def _outcomes(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        """Predict all rows; where the model raises, find the rows that make it raise and spare the others."""
        try:
            return self._predict(rows)
        except Exception:
            logger.exception("the model raised", version=self.model.tag, rows=len(rows))
            return self._halved(rows)

    def _halved(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        if len(rows) == 1:
            return [ModelError(self.model.tag)]
        middle = len(rows) // 2
        outcomes: list[Outcome] = []
        for half in (rows[:middle], rows[middle:]):
            try:
                outcomes += self._predict(half)
            except Exception:  # noqa: BLE001 - logged for the whole batch
                outcomes += self._halved(half)
        return outcomes

    def _predict(self, rows: Sequence[Row]) -> list[str]:
        outputs = self.model.predict(rows)
        if len(outputs) != len(rows):
            raise RuntimeError(f"{len(rows)} rows went in and {len(outputs)} outputs came out")
        return outputs

    def _run_in_thread(self, jobs: list[Job], rows: Sequence[Row]) -> None:
        """Run one batch in a thread; past the timeout its rows are answered and a busy thread is left to end alone."""
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._executor, self._outcomes, rows)
        except RuntimeError:
            # The pool is shut down: only a stopping process gets here, after its drain.
            self._deliver(jobs, [ModelUnavailable(self.model.tag, "this process is stopping")] * len(rows))
            self._next()
            return

        def finished(_: object) -> None:
            if timer.cancelled():
                return
            timer.cancel()
            stopping = ModelUnavailable(self.model.tag, "this process is stopping")
            self._deliver(jobs, [stopping] * len(rows) if future.cancelled() else future.result())
            self._next()

        def timed_out() -> None:
            timer.cancel()
            future.cancel()  # one that still waits for a thread would be run for nobody
            logger.error("the model did not answer in time", version=self.model.tag, timeout_s=self._timeout_s)
            self._deliver(jobs, [PredictTimeout(self.model.tag, self._timeout_s)] * len(rows))
            self._next()

        timer = loop.call_later(self._timeout_s, timed_out)
        future.add_done_callback(finished)

    def _deliver(self, jobs: list[Job], outcomes: Sequence[Outcome]) -> None:
        start = 0
        for job in jobs:
            end = start + len(job.inputs)
            try:
                job.predicted(outcomes[start:end] if len(jobs) > 1 else outcomes)
            except Exception:
                # One caller's fault must not strand the others of its batch.
                logger.exception("an outcome could not be delivered", version=self.model.tag)
            start = end
