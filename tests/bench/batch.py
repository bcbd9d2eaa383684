"""Batch jobs end to end: from the upload's first byte until every result can be read, over real web and workers.

The reference, taken before and after each run: the engine's own predict on the same rows, then a bare COPY of the same
results into a table of the same make. The download is not part of the time; it is measured by itself.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from inference.engine import loader, manifest
from tests.bench.load import Target
from tests.bench.pace import Pacer
from tests.bench.pairs import Spread
from tests.bench.readings import SHUTTLE, frames
from tests.bench.report import Report
from tests.bench.streams import PATH
from tests.faults.batches import Batch
from tests.faults.crew import Hand
from tests.faults.sheets import Sheet
from tests.faults.stack import Stack
from tests.faults.trainings import Training

ROWS, QUICK_ROWS = 200_000, 20_000
MILLION = 1_000_000
WORKERS = (1, 2, 4)
UP_WORKERS = 2
"""As many as `up` runs, which is what the goal is for."""
GOAL = 0.6
WEB_MB, WORKER_MB = 300, 500
P99_GOAL = 2.0
FINISHED_S = 900
SLICE = 512
BARE = "CREATE TABLE IF NOT EXISTS bench_copy (LIKE jobs_result INCLUDING ALL)"
INTO = "COPY bench_copy (job_id, row, output, error, detail) FROM STDIN"
FORMATS = ("csv", "ndjson", "parquet")
PER_SECOND = 320
QUEUED = 3
"""Jobs of a million rows that wait behind each other, so that one is worked on for as long as is measured."""
TRAINED = ("random_forest", "gradient_boosting", "logistic_regression")
"""Runs that wait behind each other likewise."""


@dataclass(slots=True)
class Peaks:
    """The most memory that web and any one worker process held, in MB."""

    web: float = 0
    worker: float = 0

    def note(self, stack: Stack, workers: list[Hand]) -> None:
        """Ask the kernel for what web and the workers held at most since they began, or since `forget`."""
        assert stack.web is not None
        self.web = max(self.web, _peak_mb(stack.web.pid))
        for worker in workers:
            processes = [worker.pid, *(child.pid for child in worker.children)]
            self.worker = max(self.worker, *map(_peak_mb, processes))


class _Reference:
    """Predict and COPY on the rows of one sheet, and on the results of a job made from it."""

    def __init__(self, stack: Stack, sheet: Sheet) -> None:
        folder = SHUTTLE / "random_forest" / "1.0.0"
        self._stack = stack
        self._model = loader.load(folder, digest=manifest.digest_of((folder / "manifest.json").read_bytes()))
        self._rows = [tuple(row) for row in sheet.matrix.tolist()]
        self._lines = b""

    def take(self, batch: Batch) -> None:
        """Have the results of that job copied from now on."""
        query = f"SELECT job_id, row, output, error, detail FROM jobs_result WHERE job_id = '{batch.id}' ORDER BY row"
        with psycopg.connect(self._stack.postgres.url) as connection:
            connection.execute(BARE)
            with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
                self._lines = b"".join(copy)

    def seconds(self) -> float:
        """What it takes."""
        started = time.perf_counter()
        for at in range(0, len(self._rows), SLICE):
            self._model.predict(self._rows[at : at + SLICE])
        took_s = time.perf_counter() - started
        with psycopg.connect(self._stack.postgres.url) as connection:
            connection.execute("TRUNCATE bench_copy")
            connection.commit()
            started = time.perf_counter()
            with connection.cursor().copy(INTO) as copy:
                copy.write(self._lines)
            connection.commit()
            return took_s + time.perf_counter() - started


async def _rates(report: Report, stack: Stack, peaks: Peaks, *, rows: int, rounds: int) -> None:
    """Rows a second with each number of workers."""
    sheet = Sheet(rows, bad_every=0)
    reference = _Reference(stack, sheet)
    print(f"\nBatch: {rows:,} rows from the upload to all results, against predict and COPY of the same")
    report.line("", "of the reference")
    for count in WORKERS:
        ratios, rates, bare = [], [], []
        with _workers(stack, count) as workers:
            warm, _ = await _timed(stack, sheet)
            reference.take(warm)
            before_s = reference.seconds()
            for _ in range(rounds):
                batch, took_s = await _timed(stack, sheet)
                after_s = reference.seconds()
                reference_s = (before_s + after_s) / 2
                before_s = after_s
                ratios.append(reference_s / took_s)
                rates.append(rows / took_s)
                bare.append(rows / reference_s)
            downloads = [await asyncio.to_thread(_downloaded, batch, name) for name in FORMATS]
            peaks.note(stack, workers)
        report.line(f"{count} {'worker' if count == 1 else 'workers'}", Spread(tuple(ratios)))
        report.line("    rows a second", Spread(tuple(rates)))
        report.line("    rows a second, reference", Spread(tuple(bare)))
        if count == 1:
            for name, rate in zip(FORMATS, downloads, strict=True):
                report.line(f"    rows a second, {name} download", f"{rate:,.0f}")
        if count == UP_WORKERS:
            report.at_least(f"batch against predict + COPY, {count} workers", GOAL, Spread(tuple(ratios)))


async def _beside(report: Report, stack: Stack, peaks: Peaks, *, rounds: int, measured_s: float) -> None:
    """Strict streams while a batch and a training run, against the same streams alone."""
    assert stack.web is not None
    print(f"\nStrict streams, 32 sockets, {PER_SECOND} readings a second, while a batch and a training run")
    target = Target(stack.host, stack.port, stack.web.pid, frames(5000), PATH, stack.token, says_hello=True)
    sheet = Sheet(MILLION, bad_every=0)
    ratios, alone_ms, busy_ms = [], [], []
    with _workers(stack, 1) as workers:
        trainer = stack.crew.trainer()
        stack.crew.wait_ready([trainer])
        async with Pacer(target, per_second=PER_SECOND) as pacer:
            await pacer.measure(1)
            for _ in range(rounds):
                # What the round before left to be written is not for this one to wait for.
                await asyncio.to_thread(stack.sql, "CHECKPOINT")
                await pacer.measure(1)
                alone = await pacer.measure(measured_s)
                for _ in range(QUEUED):
                    await asyncio.to_thread(Batch(stack, sheet).start)
                await stack.becomes(lambda: _batches_run(stack), "files are cut into chunks", 60)
                trainings = [await asyncio.to_thread(Training(stack, name).start) for name in TRAINED]
                await stack.becomes(lambda: _both_run(stack), "a batch job and a training run", 60)
                beside = await pacer.measure(measured_s)
                assert await asyncio.to_thread(_both_run, stack), "one of them was over before the measurement was"
                await asyncio.to_thread(_end_jobs, stack)
                for training in reversed(trainings):
                    await asyncio.to_thread(training.cancel)
                for training in trainings:
                    await training.finishes(FINISHED_S)
                alone_ms.append(alone.percentile(99))
                busy_ms.append(beside.percentile(99))
                ratios.append(beside.percentile(99) / alone.percentile(99))
        peaks.note(stack, [*workers, trainer])
    report.line("p99 in ms, alone", Spread(tuple(alone_ms)))
    report.line("p99 in ms, beside both", Spread(tuple(busy_ms)))
    report.at_most("p99 of streams beside a batch and a training", P99_GOAL, Spread(tuple(ratios)))


async def million(report: Report, stack: Stack) -> None:
    """A million rows while workers are killed every few seconds and Redis is flushed; each row is compared."""
    sheet, peaks, chance = Sheet(MILLION), Peaks(), random.Random(4)
    print(f"\nA file of {MILLION:,} rows, workers killed every few seconds, Redis flushed")
    kills, flushes, due_s = 0, 0, time.monotonic() + 4
    with _workers(stack, 2) as workers:

        def hurt() -> None:
            nonlocal kills, flushes, due_s
            stack.crew.tend()
            peaks.note(stack, workers)
            if time.monotonic() < due_s:
                return
            due_s = time.monotonic() + chance.uniform(2, 5)
            victim = chance.choice(workers)
            if chance.random() < 0.5:
                kills += victim.kill_children()
            else:
                victim.kill()
                kills += 1
            if kills % 3 == 0:
                _flush(stack)
                flushes += 1

        batch, took_s = await _timed(stack, sheet, hurt)
    problems = batch.problems()
    attempts = batch.most_attempts()
    report.line("seconds", f"{took_s:.0f}, {kills} kills, {flushes} flushes, {attempts} attempts at most")
    report.line("rows a second", f"{MILLION / took_s:,.0f}")
    report.line("problems", "none" if not problems else "\n".join(problems))
    report.at_most("MB of web, a million rows", WEB_MB, Spread((peaks.web,)))
    report.at_most("MB of a worker process, a million rows", WORKER_MB, Spread((peaks.worker,)))


async def bench(report: Report, stack: Stack, *, rounds: int, quick: bool) -> None:
    """Measure rows a second with 1, 2 and 4 workers, downloads, memory, and streams beside it all."""
    peaks = Peaks()
    await _rates(report, stack, peaks, rows=QUICK_ROWS if quick else ROWS, rounds=rounds)
    await _beside(report, stack, peaks, rounds=rounds, measured_s=3 if quick else 10)
    report.at_most("MB of web beside jobs", WEB_MB, Spread((peaks.web,)))
    report.at_most("MB of a worker process", WORKER_MB, Spread((peaks.worker,)))


@contextmanager
def _workers(stack: Stack, count: int) -> Iterator[list[Hand]]:
    """That many workers, ready; gone afterwards."""
    workers = [stack.crew.worker() for _ in range(count)]
    stack.crew.wait_ready()
    try:
        yield workers
    finally:
        stack.crew.dismiss()


async def _timed(stack: Stack, sheet: Sheet, meanwhile: Callable[[], object] = lambda: None) -> tuple[Batch, float]:
    """Upload a sheet and wait for all results; the job, and how long both took."""
    batch = Batch(stack, sheet)
    assert sheet.csv
    started = time.perf_counter()
    await asyncio.to_thread(batch.start)
    await batch.finishes(FINISHED_S, meanwhile)
    return batch, time.perf_counter() - started


def _downloaded(batch: Batch, format: str) -> float:
    """Rows a second of a whole download."""
    started = time.perf_counter()
    batch.download(format)
    return batch.sheet.rows / (time.perf_counter() - started)


def _batches_run(stack: Stack) -> bool:
    """Whether all files are cut into chunks, and some of those are left."""
    query = (
        "SELECT NOT EXISTS (SELECT FROM jobs_batchjob WHERE state IN ('queued', 'reading'))"
        " AND EXISTS (SELECT FROM jobs_chunk WHERE state = 'waiting')"
    )
    return bool(stack.sql(query)[0][0])


def _both_run(stack: Stack) -> bool:
    """Whether chunks are worked on, and a training runs."""
    query = "SELECT EXISTS (SELECT FROM jobs_trainingrun WHERE state = 'running')"
    return _batches_run(stack) and bool(stack.sql(query)[0][0])


def _end_jobs(stack: Stack) -> None:
    """Leave nothing that would run into the measurement of streams alone."""
    query = "SELECT id::text FROM jobs_batchjob WHERE state NOT IN ('done', 'failed', 'cancelled')"
    for (id_,) in stack.sql(query):
        Batch(stack, Sheet(0), id_).change("cancel")


def _flush(stack: Stack) -> None:
    client = redis.Redis.from_url(stack.valkey.url)
    client.flushall()
    client.close()


def _peak_mb(pid: int) -> float:
    """The most memory a process held at once; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000
    return 0.0
