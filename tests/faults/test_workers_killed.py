"""F9, F10: workers are killed, stopped and woken up in the middle of a chunk."""

import asyncio
import time

import pytest

from tests.faults.batches import Batch, Caught
from tests.faults.crew import Hand
from tests.faults.sheets import Sheet
from tests.faults.stack import Stack

pytestmark = pytest.mark.fault

LEASE_S = 30
RESUMED_S = 45
FINISHED_S = 150


@pytest.fixture
def workers(stack: Stack) -> list[Hand]:
    """Two workers that are ready."""
    hands = [stack.crew.worker(), stack.crew.worker()]
    stack.crew.wait_ready()
    return hands


@pytest.mark.timeout(300)
async def test_a_late_writer_is_turned_away(stack: Stack) -> None:
    late = stack.crew.worker()
    stack.crew.wait_ready()
    batch = Batch(stack, Sheet(60_000)).start()
    caught = await batch.catch([late])
    # In place of the half minute after which a worker that is heard of no more has lost its work.
    batch.expire_lease(caught.number)
    stack.crew.worker()
    await batch.chunk_is_done(caught.number)
    written = batch.writes(caught.number)
    late.thaw()

    await _has_woken_up(stack, batch, caught, written)
    await batch.finishes(FINISHED_S, stack.crew.tend)

    assert batch.writes(caught.number) == written, "a worker wrote although its work was another's by then"
    assert batch.attempts(caught.number) == 2
    assert batch.problems() == []


async def _has_woken_up(stack: Stack, batch: Batch, caught: Caught, written: tuple[object, ...]) -> None:
    """Return when the woken worker has noticed that its work is another's, and said so, or has written all the same."""
    await stack.becomes(
        lambda: "held by another worker" in caught.hand.log() or batch.writes(caught.number) != written,
        f"{caught.hand.name} says that chunk {caught.number} is another's",
    )


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_killed_children_cost_no_row(stack: Stack, workers: list[Hand]) -> None:
    batch = Batch(stack, Sheet(400_000)).start()
    for _ in range(10):
        caught = await batch.catch(workers, attempts=2)
        caught.hand.kill_children()
        caught.hand.thaw()
    killed = time.monotonic()
    await batch.chunk_is_done(caught.number, RESUMED_S)
    resumed_s = time.monotonic() - killed
    await batch.finishes(FINISHED_S, stack.crew.tend)

    assert resumed_s <= RESUMED_S
    assert 2 <= batch.most_attempts() <= 3
    assert batch.problems() == []


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_work_of_a_killed_worker_is_taken_up_by_another(stack: Stack, workers: list[Hand]) -> None:
    batch = Batch(stack, Sheet(400_000)).start()
    caught = await batch.catch(workers)
    caught.hand.kill()
    caught.hand.kill_children()
    killed = time.monotonic()
    await batch.chunk_is_done(caught.number, RESUMED_S)
    resumed_s = time.monotonic() - killed
    await batch.finishes(FINISHED_S)

    assert resumed_s <= RESUMED_S
    assert batch.problems() == []


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_worker_stopped_beyond_its_lease_writes_nothing_when_it_wakes_up(
    stack: Stack, workers: list[Hand]
) -> None:
    batch = Batch(stack, Sheet(400_000)).start()
    caught = await batch.catch(workers)
    await batch.chunk_is_done(caught.number, RESUMED_S)
    written = batch.writes(caught.number)
    await asyncio.sleep(LEASE_S)
    caught.hand.thaw()
    await _has_woken_up(stack, batch, caught, written)
    await batch.finishes(FINISHED_S, stack.crew.tend)

    assert batch.writes(caught.number) == written
    assert batch.problems() == []


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_worker_killed_while_it_stores_leaves_all_of_a_chunk_or_nothing(stack: Stack) -> None:
    worker = stack.crew.worker()
    stack.crew.wait_ready()
    batch = Batch(stack, Sheet(60_000)).start()
    with batch.results_locked():
        await batch.waits_for_the_lock()
        worker.kill()
        worker.kill_children()
    await batch.finishes(FINISHED_S, stack.crew.tend)

    assert batch.problems() == []


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_worker_stopped_within_its_transaction_holds_nobody_up(stack: Stack, workers: list[Hand]) -> None:
    batch = Batch(stack, Sheet(400_000)).start()
    with batch.results_locked():
        caught = await batch.catch(workers, storing=True)
    await batch.chunk_is_done(caught.number, RESUMED_S)
    caught.hand.thaw()
    await batch.finishes(FINISHED_S, stack.crew.tend)

    assert batch.problems() == []


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_chunk_that_ends_its_worker_three_times_is_set_aside(stack: Stack) -> None:
    worker = stack.crew.worker()
    stack.crew.wait_ready()
    batch = Batch(stack, Sheet(60_000)).start()
    number = None
    for _ in range(3):
        caught = await batch.catch([worker], attempts=3, number=number, timeout_s=90)
        number = caught.number
        batch.expire_lease(number)
        worker.kill_children()
        worker.thaw()
    await batch.finishes(FINISHED_S, stack.crew.tend)

    assert [poisoned for poisoned, _, _ in batch.chunks("poison")] == [number]
    assert batch.problems(poison=number) == []
