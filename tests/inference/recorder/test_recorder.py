"""The group commit on a healthy Postgres."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from inference.database import DatabaseUnsafe
from inference.errors import AuditUnavailable, Internal
from inference.recorder import Recorder, answers
from inference.recorder.lines import COPY
from tests.inference.recorder.told import FEATURES, Failing, Told, told

Rows = Callable[..., list[tuple]]

COUNT = "SELECT count(*), count(DISTINCT id) FROM inference_prediction"


async def test_an_entry_is_told_once_its_row_is_there(recorder: Recorder, rows: Rows) -> None:
    entry = Told([])

    recorder.submit(entry)
    assert entry.calls == []
    await entry.done.wait()

    assert entry.calls == ["committed"]
    assert rows("SELECT id::text, request_id::text FROM inference_prediction") == [(entry.ids[0], entry.request_id)]


async def test_entries_are_told_in_the_order_they_were_submitted(recorder: Recorder, rows: Rows) -> None:
    order: list[Told] = []
    entries = []
    for size in (1, 3, 200, 1, 1500, 2):
        for _ in range(size):
            entries.append(Told(order))
            recorder.submit(entries[-1])
        await entries[-size].done.wait()
    await told(entries)

    assert order == entries
    assert all(entry.calls == ["committed"] for entry in entries)
    assert rows(COUNT) == [(1707, 1707)]


async def test_what_is_submitted_in_one_turn_shares_a_transaction(recorder: Recorder, rows: Rows) -> None:
    entries = [Told([]) for _ in range(50)]
    for entry in entries:
        recorder.submit(entry)
    await told(entries)

    assert rows("SELECT count(DISTINCT txid) FROM inference_prediction") == [(1,)]


async def test_the_next_group_is_under_way_before_the_last_one_is_told(recorder: Recorder) -> None:
    busy = []

    class Looking(Told):
        def committed(self) -> None:
            busy.append(recorder._writer.busy)
            super().committed()

    first, second = Looking([]), Told([])
    recorder.submit(first)
    await asyncio.sleep(0)  # the first one's group starts
    recorder.submit(second)
    await told([first, second])

    assert busy == [True]


@pytest.mark.parametrize(
    ("features", "columns"),
    [
        pytest.param('["no end', {}, id="not JSON"),
        pytest.param('["\\u0000"', {}, id="an escaped NUL and no end"),
        pytest.param(FEATURES, {"client_id": "a\0b"}, id="a NUL"),
        pytest.param(FEATURES, {"client_id": "\ud800"}, id="a lone surrogate"),
        pytest.param(FEATURES, {"seq": 2**70}, id="a number out of range"),
    ],
)
@pytest.mark.parametrize("place", [0, 77, 199])
async def test_one_bad_row_fails_alone_among_two_hundred(
    recorder: Recorder, rows: Rows, features: str, columns: dict[str, object], place: int
) -> None:
    order: list[Told] = []
    entries = [Told(order) for _ in range(200)]
    entries[place] = bad = Told(order, features, **columns)
    for entry in entries:
        recorder.submit(entry)
    await told(entries)

    assert order == entries
    (error,) = bad.calls
    assert isinstance(error, Internal)
    assert bad.request_id in str(error)
    assert all(entry.calls == ["committed"] for entry in entries if entry is not bad)
    assert rows(COUNT) == [(199, 199)]


async def test_an_id_that_is_already_stored_fails_and_changes_nothing(recorder: Recorder, rows: Rows) -> None:
    first, twin = Told([]), Told([], "[1]")
    twin.text = twin.text.replace(twin.ids[0], first.ids[0])
    recorder.submit(first)
    await first.done.wait()

    recorder.submit(twin)
    await twin.done.wait()

    assert isinstance(twin.calls[0], Internal)
    assert rows("SELECT features FROM inference_prediction") == [
        ([55.0, 0.0, 81.0, 0.0, -6.0, 11.0, 25.0, 88.0, 64.0],)
    ]


async def test_an_error_in_one_callback_strands_nobody(recorder: Recorder) -> None:
    order: list[Told] = []
    entries = [Told(order), Failing(order), Told(order)]
    for entry in entries:
        recorder.submit(entry)
    await told(entries)
    later = Told(order)
    recorder.submit(later)
    await later.done.wait()

    assert order == [*entries, later]


async def test_rows_behind_answers_are_stored_with_the_others(recorder: Recorder, rows: Rows) -> None:
    behind, strict = Told([]), Told([])

    assert recorder.store_behind(behind)
    recorder.submit(strict)
    await told([behind, strict])

    assert rows("SELECT count(*), count(DISTINCT txid) FROM inference_prediction") == [(2, 1)]


async def test_rows_behind_answers_are_bounded(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "BEHIND_ROWS", 3)
    first, second, third = Told([], rows=2), Told([], rows=2), Told([], rows=2)

    assert recorder.store_behind(first)
    assert not recorder.store_behind(second)
    await first.done.wait()
    assert recorder.store_behind(third)
    await third.done.wait()

    assert second.calls == []


async def test_stop_stores_what_was_submitted_and_refuses_what_comes_after(
    dsn: str, clean_tables: None, rows: Rows
) -> None:
    recorder = Recorder(dsn)
    await recorder.start()
    entries = [Told([]) for _ in range(2500)]
    for entry in entries:
        recorder.submit(entry)

    await recorder.stop()
    late = Told([])
    recorder.submit(late)
    assert late.calls == []
    await late.done.wait()

    assert all(entry.calls == ["committed"] for entry in entries)
    assert isinstance(late.calls[0], AuditUnavailable)
    assert not recorder.store_behind(Told([]))
    assert rows(COUNT) == [(2500, 2500)]


async def test_an_incremental_reader_misses_nothing(recorder: Recorder, dsn: str) -> None:
    """A row whose transaction began earlier but commits later is read in its turn, because readers wait for it."""
    finished = "SELECT id::text FROM inference_prediction WHERE txid >= %s::xid8 AND txid < pg_snapshot_xmin(%s)"
    snapshot = "SELECT pg_current_snapshot()::text, pg_snapshot_xmin(pg_current_snapshot())::text"
    early, late = Told([]), Told([])
    async with await psycopg.AsyncConnection.connect(dsn) as slow, await psycopg.AsyncConnection.connect(dsn) as reader:
        await reader.set_autocommit(True)
        async with slow.cursor().copy(COPY) as copy:
            await copy.write(early.text)
        recorder.submit(late)
        await late.done.wait()

        xmin = "0"

        async def news() -> list[str]:
            nonlocal xmin
            now, next_xmin = await (await reader.execute(snapshot)).fetchone()
            cursor = await reader.execute(finished, [xmin, now])
            xmin = next_xmin
            return [id for (id,) in await cursor.fetchall()]

        assert await news() == []
        await slow.commit()
        seen = await news()
        # A transaction of Postgres's own, an analysis of a table, may hold a reader back in the same way.
        while late.ids[0] not in seen:
            seen += await news()
        seen += await news()

    assert seen == [early.ids[0], late.ids[0]]


async def test_a_database_that_may_lose_commits_is_refused(dsn: str) -> None:
    with pytest.raises(DatabaseUnsafe, match="Turn synchronous_commit on"):
        await Recorder(f"{dsn}&options=-csynchronous_commit%3Doff").start()
