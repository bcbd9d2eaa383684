"""A batcher joins what came together, and gives each its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine.batcher import TIMEOUT_S, Batcher, Outcome
from inference.engine.errors import ModelError, PredictTimeout
from inference.engine.signature import Row

POISON = -1.0


@dataclass
class Echo:
    """A model that answers a row with its own first value, raises on the poison row, and remembers its batches."""

    inline: bool = True
    tag: str = "echo-1.0.0"
    batches: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def predict(self, rows: Sequence[Row]) -> list[str]:
        if not self.inline:
            self.gate.wait(5)
        self.batches.append(len(rows))
        if any(row[0] == POISON for row in rows):
            raise ValueError("poison")
        return [str(row[0]) for row in rows]


class Asked:
    """A job that keeps its outcomes."""

    def __init__(self, *numbers: float) -> None:
        self.inputs = [(number,) for number in numbers]
        self.outcomes: Sequence[Outcome] | None = None
        self.done = asyncio.Event()

    def predicted(self, outcomes: Sequence[Outcome]) -> None:
        assert self.outcomes is None, "answered twice"
        self.outcomes = list(outcomes)
        self.done.set()


@pytest.fixture
async def executor() -> AsyncIterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 60), min_size=1, max_size=90), min_size=1, max_size=30), st.booleans())
def test_each_job_gets_its_own_rows_in_order(jobs: list[list[int]], inline: bool) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            model = Echo(inline=inline)
            model.gate.set()
            batcher = Batcher(model, pool)
            asked = [Asked(*map(float, numbers)) for numbers in jobs]
            for job in asked:
                batcher.submit(job)
            for job in asked:
                await job.done.wait()
        for numbers, job in zip(jobs, asked, strict=True):
            got = [o if isinstance(o, str) else type(o) for o in job.outcomes or ()]
            assert got == [ModelError if n == POISON else str(float(n)) for n in numbers]

    asyncio.run(run())


async def test_what_comes_in_one_turn_is_one_batch(executor: ThreadPoolExecutor) -> None:
    model = Echo()
    batcher = Batcher(model, executor)
    jobs = [Asked(float(n)) for n in range(100)]
    for job in jobs:
        batcher.submit(job)
    await jobs[-1].done.wait()
    assert model.batches == [64, 36]


async def test_a_job_larger_than_a_batch_goes_alone(executor: ThreadPoolExecutor) -> None:
    model = Echo()
    batcher = Batcher(model, executor)
    jobs = [Asked(1.0), Asked(*([2.0] * 200)), Asked(3.0)]
    for job in jobs:
        batcher.submit(job)
    await jobs[-1].done.wait()
    assert model.batches == [1, 200, 1]


async def test_a_slow_model_gathers_the_next_batch_meanwhile(executor: ThreadPoolExecutor) -> None:
    model = Echo(inline=False)
    batcher = Batcher(model, executor)
    first, others = Asked(0.0), [Asked(float(n)) for n in range(1, 10)]
    batcher.submit(first)
    await asyncio.sleep(0)
    for job in others:
        batcher.submit(job)
    model.gate.set()
    await others[-1].done.wait()
    assert model.batches == [1, 9]


async def test_a_model_that_hangs_is_answered_for_and_the_next_batch_runs(executor: ThreadPoolExecutor) -> None:
    model = Echo(inline=False)
    batcher = Batcher(model, executor, timeout_s=0.05)
    stuck, after = Asked(1.0), Asked(2.0)
    batcher.submit(stuck)
    await stuck.done.wait()
    assert isinstance((stuck.outcomes or [None])[0], PredictTimeout)
    batcher._timeout_s = TIMEOUT_S  # a busy machine may take longer to wake a thread than a hung model is given here
    batcher.submit(after)
    model.gate.set()
    await after.done.wait()
    assert after.outcomes == ["2.0"]


async def test_a_batch_whose_time_is_over_before_a_thread_is_free_is_not_run() -> None:
    model, running = Echo(inline=False), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: running.set() or model.gate.wait(20))
        assert await asyncio.to_thread(running.wait, 20)
        batcher = Batcher(model, pool, timeout_s=0.05)
        late = Asked(1.0)
        batcher.submit(late)
        await late.done.wait()
        model.gate.set()
    assert [type(outcome) for outcome in late.outcomes or ()] == [PredictTimeout]
    assert model.batches == []


async def test_a_caller_that_raises_does_not_strand_its_neighbours(executor: ThreadPoolExecutor) -> None:
    class Broken(Asked):
        def predicted(self, outcomes: Sequence[Outcome]) -> None:
            raise RuntimeError("a bug")

    batcher = Batcher(Echo(), executor)
    neighbour = Asked(2.0)
    batcher.submit(Broken(1.0))
    batcher.submit(neighbour)
    await neighbour.done.wait()
    assert neighbour.outcomes == ["2.0"]


async def test_a_model_that_loses_rows_answers_none_wrongly(executor: ThreadPoolExecutor) -> None:
    class Lossy(Echo):
        def predict(self, rows: Sequence[Row]) -> list[str]:
            return super().predict(rows)[1:]

    batcher = Batcher(Lossy(), executor)
    jobs = [Asked(1.0), Asked(2.0)]
    for job in jobs:
        batcher.submit(job)
    await jobs[-1].done.wait()
    assert [type((job.outcomes or [None])[0]) for job in jobs] == [ModelError, ModelError]
