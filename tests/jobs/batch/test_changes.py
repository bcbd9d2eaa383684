"""Jobs that are cancelled, paused, resumed and tried again while they are worked on."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection

from inference.models import Endpoint
from jobs.batch import chunks, reading
from jobs.batch import work as batch
from jobs.errors import LeaseLost
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob
from jobs.services import batch_job_cancel, batch_job_pause, batch_job_resume, batch_job_retry
from jobs.workers import sweeper
from tests.jobs.batch.scene import begun, expire, line, meddle, objects, read, said
from tests.jobs.orders import order, results
from tests.project.children import until

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def test_a_job_cancelled_in_the_middle_of_a_chunk_gets_none_of_its_results(flow: Endpoint) -> None:
    job = read(flow, 10)
    meddle(job, lambda: batch_job_cancel(job=job, actor="ada") and None)
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.CANCELLED, [])
    assert chunks.claim_waiting() is None


def test_a_cancellation_waits_for_a_chunk_that_is_being_stored(flow: Endpoint, dsn: str) -> None:
    """Either all of a chunk's results are there when a job was cancelled, or none ever will be."""
    job = read(flow, 4)
    cancelled = threading.Event()

    def cancel() -> None:
        try:
            batch_job_cancel(job=job, actor="ada")
            cancelled.set()
        finally:
            connection.close()

    with psycopg.connect(dsn) as other:
        # As the transaction that stores a chunk does.
        other.execute("SELECT 1 FROM jobs_batchjob WHERE id = %s FOR SHARE", [job.pk])
        thread = threading.Thread(target=cancel)
        thread.start()
        assert not cancelled.wait(0.2)
        other.rollback()
    thread.join()
    assert cancelled.is_set()


def test_chunks_that_come_to_be_stored_do_not_overtake_who_pauses_the_job(
    flow: Endpoint, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many workers there is always one that stores, and nobody could stop them."""
    job = read(flow, 8)
    storing, go_on, ended = threading.Event(), threading.Event(), list[str]()
    pieces = chunks._pieces

    def held_up(text: str) -> Iterator[str]:
        storing.set()
        assert go_on.wait(30)
        yield from pieces(text)

    monkeypatch.setattr(chunks, "predictions_live", lambda **_: not storing.is_set())
    monkeypatch.setattr(chunks, "_pieces", held_up)
    first, second = begun(), begun()
    steps: dict[str, Callable[[], object]] = {
        "first": lambda: chunks.work(first),
        "paused": lambda: batch_job_pause(job=job, actor="ada"),
        "second": lambda: chunks.work(second),
    }

    def run(name: str) -> None:
        try:
            steps[name]()
            ended.append(name)
        finally:
            connection.close()

    threads = {name: threading.Thread(target=run, args=[name]) for name in steps}
    threads["first"].start()
    assert storing.wait(30)
    with psycopg.connect(dsn, autocommit=True) as other:
        for waiting, name in enumerate(("paused", "second"), 1):
            threads[name].start()
            until(lambda least=waiting: ended or other.execute(_WAITING).fetchone() == (least,))
    go_on.set()
    for thread in threads.values():
        thread.join()
    assert ended[-1] == "second"
    assert results(job) == said(8)


def test_a_job_cancelled_while_it_is_read_gets_no_chunks(flow: Endpoint) -> None:
    job = order(flow, map(line, range(10)))
    lease = reading.claim_unread()
    assert lease is not None
    batch_job_cancel(job=job, actor="ada")
    with pytest.raises(LeaseLost):
        reading.read(lease)
    job.refresh_from_db()
    assert (job.state, list(job.chunks.all()), objects(job)) == (State.CANCELLED, [], [])


def test_a_paused_job_finishes_the_chunk_that_is_begun_and_starts_none(flow: Endpoint) -> None:
    job = read(flow, 10)
    begun_one = begun()
    batch_job_pause(job=job, actor="ada")
    assert chunks.claim_waiting() is None
    chunks.work(begun_one)
    assert results(job) == said(4)

    batch_job_resume(job=job, actor="ada")
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


def test_a_job_paused_while_it_is_read_stays_paused_and_is_not_read_again(flow: Endpoint) -> None:
    job = order(flow, map(line, range(10)))
    lease = reading.claim_unread()
    assert lease is not None
    batch_job_pause(job=job, actor="ada")
    reading.read(lease)
    job.refresh_from_db()
    assert (job.state, job.rows, job.chunks.count()) == (State.PAUSED, 10, 3)
    batch.work()
    assert results(job) == []

    batch_job_resume(job=job, actor="ada")
    batch.work()
    assert results(job) == said(10)


def test_a_paused_job_whose_last_chunk_ends_is_done(flow: Endpoint) -> None:
    job = read(flow, 4)
    lease = begun()
    batch_job_pause(job=job, actor="ada")
    chunks.work(lease)
    job.refresh_from_db()
    assert job.state == State.DONE


def test_failed_rows_are_tried_again_and_good_chunks_are_left_alone(flow: Endpoint) -> None:
    job = read(flow, 10)
    for _ in range(MOST_ATTEMPTS):
        begun()
        expire()
    sweeper.sweep()
    batch.work()
    job.refresh_from_db()
    assert job.state == State.DONE

    batch_job_retry(job=job, actor="ada")
    assert list(job.chunks.values_list("state", "attempts")) == [("waiting", 0), ("done", 1), ("done", 1)]
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


def test_a_retry_with_nothing_to_do_again_leaves_the_job_done(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    batch.work()
    job.refresh_from_db()
    assert batch_job_retry(job=job, actor="ada").state == State.DONE
