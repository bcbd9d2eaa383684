"""Workers that die, hang or come late, and what is tried again."""

import errno

import psycopg
import pytest
from django.db import connection

from inference.models import Endpoint
from jobs import storage
from jobs.batch import chunks
from jobs.batch import work as batch
from jobs.errors import LeaseLost, StorageUnavailable
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob, Result
from jobs.selectors import batch_progress
from jobs.workers import sweeper
from tests.jobs.batch.scene import begun, expire, meddle, read, said
from tests.jobs.orders import results

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


def test_the_chunk_of_a_worker_that_died_is_done_by_another(flow: Endpoint) -> None:
    job = read(flow, 10)
    begun()
    batch.work()
    assert len(results(job)) == 6

    expire()
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))
    assert list(job.chunks.values_list("attempts", flat=True)) == [2, 1, 1]


def test_a_late_writer_writes_nothing(flow: Endpoint) -> None:
    """G7: the fencing token."""
    job = read(flow, 4)
    late = begun()
    expire()
    batch.work()
    before = list(job.chunks.values())
    with pytest.raises(LeaseLost):
        chunks.work(late)
    assert (results(job), list(job.chunks.values())) == (said(4), before)


def test_a_writer_that_was_stopped_while_another_did_its_chunk_writes_nothing(flow: Endpoint) -> None:
    job = read(flow, 4)
    asked: list[int] = []

    def stopped() -> None:
        asked.append(1)
        if len(asked) == 1:
            expire()
            batch.work()

    meddle(job, stopped)
    lease = begun()
    with pytest.raises(LeaseLost):
        chunks.work(lease)
    assert (len(asked), results(job)) == (2, said(4))


def test_a_chunk_that_ends_every_worker_is_set_aside_and_the_rest_finishes(flow: Endpoint) -> None:
    """G7: poison"""
    job = read(flow, 10)
    for _ in range(MOST_ATTEMPTS):
        last = begun()
        assert last.id == job.chunks.first().pk
        expire()
    batch.work()
    job.refresh_from_db()
    assert (job.state, len(results(job))) == (State.RUNNING, 6)

    sweeper.sweep()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert [error for _, _, error in results(job)] == ["poison"] * 4 + [None] * 6
    progress = batch_progress(job=job)
    assert (progress.done, progress.ok, progress.errors, progress.poison) == (10, 6, {"poison": 4}, 1)
    with pytest.raises(LeaseLost):
        chunks.work(last)


def test_a_chunk_is_not_given_up_while_its_third_worker_is_at_it(flow: Endpoint) -> None:
    read(flow, 4)
    for attempt in range(MOST_ATTEMPTS):
        if attempt:
            expire()
        begun()
    assert chunks.poison() == 0


def test_work_that_fails_by_itself_is_tried_three_times(flow: Endpoint) -> None:
    job = read(flow, 10)
    storage.put(job.chunks.first().file, b"1,1\n")
    batch.work()
    sweeper.sweep()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert [error for _, _, error in results(job)] == ["poison"] * 4 + [None] * 6
    assert list(job.chunks.values_list("attempts", flat=True)) == [MOST_ATTEMPTS, 1, 1]
    assert "failed or ended its worker, 3 times" in Result.objects.filter(job=job.pk).first().detail


def test_work_that_fails_once_it_is_anothers_is_left_to_them(flow: Endpoint) -> None:
    job = read(flow, 4)

    def fail_too_late() -> None:
        expire()
        begun()
        raise MemoryError

    meddle(job, fail_too_late)
    assert batch.work() is False
    assert list(job.chunks.values_list("state", "attempts", "token")) == [("running", 2, 2)]


def test_a_lost_connection_costs_the_chunk_no_attempt(flow: Endpoint, dsn: str) -> None:
    job = read(flow, 10)
    cut: list[int] = []

    def cut_once() -> None:
        if not cut:
            cut.append(connection.connection.info.backend_pid)
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [cut[0]])

    meddle(job, cut_once)
    assert batch.work() is False
    assert (results(job), list(job.chunks.values_list("attempts", "state"))) == ([], [(0, "waiting")] * 3)
    batch.work()
    assert results(job) == said(10)


def test_a_database_without_room_costs_no_attempt(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres says 53100 when its disk is full."""
    job = read(flow, 4)
    full = "DO $$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$"
    with monkeypatch.context() as patched:
        patched.setattr(chunks, "COPY", full)
        assert batch.work() is False
    assert list(job.chunks.values_list("attempts", "state")) == [(0, "waiting")]
    batch.work()
    assert results(job) == said(4)


@pytest.mark.parametrize("trouble", [StorageUnavailable(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_storage_that_is_away_or_full_costs_no_attempt(
    flow: Endpoint, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    job = read(flow, 4)
    with monkeypatch.context() as patched:

        def away(name: str) -> bytes:
            raise trouble

        patched.setattr(storage, "get", away)
        assert batch.work() is False
    assert list(job.chunks.values_list("attempts", "state")) == [(0, "waiting")]
    batch.work()
    assert results(job) == said(4)
