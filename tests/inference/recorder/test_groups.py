"""Which entries share a transaction."""

import pytest

from inference.recorder import groups
from inference.recorder.groups import Queue
from tests.inference.recorder.told import Told


async def queue_of(*names: str, rows: int = 1) -> tuple[Queue, dict[str, Told]]:
    """A queue with one entry a name."""
    queue = Queue()
    entries = {name: Told([], rows=rows) for name in names}
    for entry in entries.values():
        queue.add(entry)
    return queue, entries


async def test_a_group_takes_the_oldest_entries_in_order() -> None:
    queue, entries = await queue_of("a", "b", "c")

    assert queue.next().entries == list(entries.values())
    assert queue.next() is None
    assert not queue


async def test_a_group_ends_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_ROWS", 4)
    queue, entries = await queue_of("a", "b", "c", rows=2)

    assert queue.next().entries == [entries["a"], entries["b"]]
    assert queue.next().entries == [entries["c"]]


async def test_a_group_ends_at_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, entries = await queue_of("a", "b")
    monkeypatch.setattr(groups, "MAX_CHARACTERS", len(entries["a"].text))

    assert queue.next().entries == [entries["a"]]


async def test_an_entry_larger_than_a_group_goes_alone() -> None:
    queue, entries = await queue_of("a", "b", rows=groups.MAX_ROWS + 1)

    assert queue.next().entries == [entries["a"]]


async def test_a_group_that_was_put_back_comes_first() -> None:
    queue, entries = await queue_of("a", "b")
    group = queue.next()
    queue.add(Told([]))

    queue.put_back(group)

    assert queue.next().entries == [entries["a"], entries["b"]]


async def test_halves_come_in_order_before_everything_else() -> None:
    queue, entries = await queue_of("a", "b", "c")
    group = queue.next()
    late = Told([])
    queue.add(late)

    queue.put_back_halves(group)

    taken = [queue.next().entries for _ in range(3)]
    assert taken == [[entries["a"]], [entries["b"], entries["c"]], [late]]


async def test_only_late_entries_are_taken_out_wherever_they_wait() -> None:
    queue, entries = await queue_of("a", "b")
    queue.put_back_halves(queue.next())
    late, patient = Told([], give_up_s=-1), Told([])
    entries["a"].give_up_at = late.give_up_at
    queue.add(late)
    queue.add(patient)

    assert queue.take_late(late.loop.time()) == [entries["a"], late]
    assert [queue.next().entries, queue.next().entries] == [[entries["b"]], [patient]]
    assert queue.next() is None
