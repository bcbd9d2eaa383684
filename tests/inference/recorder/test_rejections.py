"""Counts of refused readings."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from inference.recorder import Recorder, rejections
from inference.recorder import recorder as recorder_module
from inference.recorder.rejections import Rejections
from tests.inference.recorder.told import Told

STORED = (
    "SELECT endpoint_id, device_id, code, count FROM inference_rejection"
    " WHERE hour = date_trunc('hour', hour) ORDER BY 1, 2, 3"
)


@pytest.fixture
def endpoint(dsn: str, clean_tables: None) -> int:
    """The id of an endpoint."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "INSERT INTO inference_endpoint (slug, name, description, folder, signature, signature_digest, audit,"
            " promotion, created_at) VALUES ('flow', '', '', '', '{}', '', 'strict', 'approve', now()) RETURNING id"
        ).fetchone()[0]


@pytest.fixture
def device(dsn: str, clean_tables: None) -> int:
    """The id of a device."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "INSERT INTO inference_device (name, description, created_at) VALUES ('pump', '', now()) RETURNING id"
        ).fetchone()[0]


async def stored(rows: Callable[..., list[tuple]], expected: list[tuple]) -> None:
    """Wait until exactly these counts are stored."""
    while rows(STORED) != expected:  # noqa: ASYNC110 - the event is Postgres's
        await asyncio.sleep(0.02)


def test_past_the_bound_devices_are_no_longer_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejections, "MAX_KEYS", 2)
    counts = Rejections(clock=lambda: 7200.0)
    for device_id in (1, 2, 3, 4, 1):
        counts.add(9, device_id, "out_of_range")

    assert counts.take() == {
        (9, 1, "out_of_range", 2): 2,
        (9, 2, "out_of_range", 2): 1,
        (9, None, "out_of_range", 2): 2,
    }


def test_what_is_given_back_is_counted_again() -> None:
    counts = Rejections(clock=lambda: 0.0)
    counts.add(1, None, "bad_json")
    taken = counts.take()
    assert not counts
    counts.add(1, None, "bad_json")

    counts.give_back(taken)

    assert counts.take() == {(1, None, "bad_json", 0): 2}


def test_a_transaction_takes_a_bounded_number_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejections, "TAKEN_KEYS", 2)
    counts = Rejections(clock=lambda: 0.0)
    for code in "abc":
        counts.add(1, None, code)

    assert [len(counts.take()), len(counts.take())] == [2, 1]
    assert not counts


async def test_counts_are_stored_though_no_prediction_comes(
    recorder: Recorder, rows: Callable[..., list[tuple]], endpoint: int, device: int
) -> None:
    for _ in range(3):
        recorder.reject(endpoint, device, "out_of_range")
    recorder.reject(endpoint, None, "it's")

    await stored(rows, [(endpoint, device, "out_of_range", 3), (endpoint, None, "it's", 1)])


async def test_counts_add_to_those_that_are_stored(
    recorder: Recorder, rows: Callable[..., list[tuple]], endpoint: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_REJECTIONS_EVERY_S", 0.0)
    # One hour: by the real clock the second could belong to the next, and would be a count of its own.
    monkeypatch.setattr(recorder, "_rejections", Rejections(clock=lambda: 7200.0))
    recorder.reject(endpoint, None, "bad_json")
    await stored(rows, [(endpoint, None, "bad_json", 1)])
    recorder.reject(endpoint, None, "bad_json")
    await stored(rows, [(endpoint, None, "bad_json", 2)])


async def test_counts_of_what_is_gone_are_left_out(
    recorder: Recorder, rows: Callable[..., list[tuple]], endpoint: int
) -> None:
    recorder.reject(endpoint + 1, None, "bad_json")
    recorder.reject(endpoint, 4711, "bad_json")
    recorder.reject(endpoint, None, "bad_json")

    await stored(rows, [(endpoint, None, "bad_json", 1)])


async def test_a_bad_row_in_their_group_loses_no_count(
    recorder: Recorder, rows: Callable[..., list[tuple]], endpoint: int
) -> None:
    recorder.reject(endpoint, None, "bad_json")
    bad, good = Told([], "["), Told([])
    recorder.submit(bad)
    recorder.submit(good)
    await good.done.wait()
    await bad.done.wait()

    assert good.calls == ["committed"]
    assert bad.calls != ["committed"]
    await stored(rows, [(endpoint, None, "bad_json", 1)])


async def test_stop_stores_the_counts(
    dsn: str, rows: Callable[..., list[tuple]], endpoint: int, clean_tables: None
) -> None:
    recorder = Recorder(dsn)
    await recorder.start()
    recorder.reject(endpoint, None, "bad_json")
    await recorder.stop()

    assert rows(STORED) == [(endpoint, None, "bad_json", 1)]
