"""Inputs and pieces of them that somebody removed from the storage, and a storage that is merely away."""

import datetime
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.core.files.storage import storages

from inference.models import Endpoint
from jobs import files, storage
from jobs.batch import work as batch
from jobs.batch.downloads import download
from jobs.errors import InputLost
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob, Result
from jobs.replay.query import Selection
from jobs.selectors import batch_progress
from jobs.services import batch_job_retry, batch_query_create
from tests.jobs.answered import store
from tests.jobs.batch.scene import line, read, said
from tests.jobs.orders import order, results

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


@contextmanager
def unmounted() -> Iterator[None]:
    """The folder of uploads is not there while the block lasts."""
    place = Path(storages["uploads"].location)
    place.rename(place.with_suffix(".away"))
    try:
        yield
    finally:
        place.with_suffix(".away").rename(place)


def test_a_piece_that_is_gone_costs_its_own_rows_and_no_attempt(flow: Endpoint) -> None:
    job = read(flow, 10)
    storage.drop(job.chunks.get(number=1).file)

    assert batch.work() is False

    job.refresh_from_db()
    assert job.state == State.DONE
    lost = [(row, None, "input_lost") for row in range(5, 9)]
    assert results(job) == [*said(4), *lost, *said(10)[8:]]
    assert list(job.chunks.values_list("state", "attempts")) == [("done", 1)] * 3
    progress = batch_progress(job=job)
    assert (progress.done, progress.ok, progress.errors, progress.poison) == (10, 6, {"input_lost": 4}, 0)
    assert Result.objects.filter(job=job.pk, error="input_lost").first().detail == str(InputLost())


def test_a_piece_that_was_put_back_is_done_by_a_retry(flow: Endpoint) -> None:
    job = read(flow, 10)
    file = job.chunks.get(number=1).file
    piece = storage.get(file)
    storage.drop(file)
    batch.work()
    storage.put(file, piece)

    batch_job_retry(job=job, actor="ada")
    batch.work()

    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


@pytest.mark.parametrize("format", files.FORMATS)
def test_rows_whose_piece_is_gone_are_downloaded_with_that_error(flow: Endpoint, format: str) -> None:
    job = read(flow, 10)
    storage.drop(job.chunks.get(number=1).file)
    batch.work()

    whole = b"".join(download(job=job, format=format).pieces)

    if format == "csv":
        lines = whole.decode().splitlines()
        assert (lines[4][:9], lines[9][:9]) == ("3,1,4,ok,", "8,1,9,ok,")
        assert lines[5:9] == [f',,{row},error,,input_lost,"{InputLost()}"' for row in range(5, 9)]
    elif format == "ndjson":
        rows = [json.loads(text) for text in whole.splitlines()]
        assert [row.get("error") for row in rows] == [None] * 4 + ["input_lost"] * 4 + [None] * 2
        assert (rows[4]["a"], rows[4]["row"], rows[8]["a"]) == (None, 5, 8)
    else:
        table = pq.read_table(io.BytesIO(whole))
        assert table["a"].to_pylist() == [0, 1, 2, 3, None, None, None, None, 8, 9]
        assert table["error"].to_pylist() == [None] * 4 + ["input_lost"] * 4 + [None] * 2


def test_answers_to_a_piece_that_went_afterwards_are_not_told_without_their_input(flow: Endpoint) -> None:
    job = read(flow, 10)
    batch.work()
    storage.drop(job.chunks.get(number=1).file)

    pieces = download(job=job, format="csv").pieces

    with pytest.raises(InputLost):
        list(pieces)


def test_an_input_that_is_gone_fails_the_job_at_once(flow: Endpoint) -> None:
    job = order(flow, map(line, range(10)))
    storage.drop(job.file)

    batch.work()

    job.refresh_from_db()
    assert (job.state, job.code, job.detail, job.attempts) == (State.FAILED, "input_lost", str(InputLost()), 1)


def test_a_replay_that_lost_its_input_says_why_there_is_no_report(flow: Endpoint) -> None:
    store(flow, [[number, 1] for number in range(10)])
    now = datetime.datetime.now(datetime.UTC)
    asked = Selection(since=now - datetime.timedelta(days=1), until=now + datetime.timedelta(days=1))
    job = batch_query_create(endpoint=flow, version=None, selection=asked, actor="ada")
    batch.work(for_s=0)
    storage.drop(job.chunks.get(number=1).file)

    batch.work()

    job.refresh_from_db()
    assert (job.state, job.code, job.report) == (State.DONE, "input_lost", None)
    assert job.detail.startswith("There is no report. ")
    assert [error for _, _, error in results(job)].count("input_lost") == 4


def test_a_storage_that_is_away_ends_nothing(flow: Endpoint) -> None:
    job = read(flow, 10)
    with unmounted():
        for _ in range(MOST_ATTEMPTS):
            assert batch.work() is False
    assert list(job.chunks.values_list("state", "attempts")) == [("waiting", 0)] * 3
    unread = order(flow, map(line, range(10)))
    with unmounted():
        for _ in range(MOST_ATTEMPTS):
            assert batch.work() is False
    unread.refresh_from_db()
    assert (unread.state, unread.attempts) == (State.QUEUED, 0)

    batch.work()

    assert (results(job), results(unread)) == (said(10), said(10))
