"""How far batch jobs are and what they gave, on a real Postgres."""

import datetime

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from inference.models import Endpoint
from jobs.batch import chunks, reading
from jobs.batch import work as batch
from jobs.models import BatchJob, Chunk
from jobs.selectors import RATE_S, batch_job_list, batch_progress, batch_results
from jobs.services import batch_job_cancel, batch_job_pause, batch_job_resume, batch_job_retry
from tests.jobs.orders import order


@pytest.fixture
def job(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> BatchJob:
    """Ten rows in chunks of 4, 4 and 2, read; rows 3 and 6 are bad."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    asked = order(flow, ["x,1" if number in (3, 6) else f"{number},1" for number in range(1, 11)])
    lease = reading.claim_unread()
    assert lease is not None
    reading.read(lease)
    asked.refresh_from_db()
    return asked


def do_one() -> None:
    """Do one chunk."""
    lease = chunks.claim_waiting()
    assert lease is not None
    chunks.work(lease)


def ago(**passed: float) -> None:
    """Let time pass: whatever has happened happened earlier by so much."""
    span = datetime.timedelta(**passed)
    BatchJob.objects.update(**{name: F(name) - span for name in ("started_at", "resumed_at", "finished_at")})
    Chunk.objects.update(finished_at=F("finished_at") - span)


def test_a_job_that_waits_has_no_progress(flow: Endpoint) -> None:
    progress = batch_progress(job=order(flow, ["1,1"]))
    assert (progress.rows, progress.done, progress.rows_per_s, progress.eta_s, progress.chunks) == (
        None,
        0,
        None,
        None,
        0,
    )


def test_a_running_job_says_when_it_will_be_done(job: BatchJob) -> None:
    do_one()
    BatchJob.objects.filter(pk=job.pk).update(started_at=Now() - datetime.timedelta(seconds=20))
    job.refresh_from_db()
    progress = batch_progress(job=job)
    assert (progress.rows, progress.done, progress.ok, progress.errors) == (10, 4, 3, {"wrong_type": 1})
    assert (progress.chunks, progress.poison) == (3, 0)
    assert progress.rows_per_s == pytest.approx(4 / 20, rel=0.2)
    assert progress.eta_s == pytest.approx(6 / progress.rows_per_s)


def test_a_rate_is_of_the_last_half_minute(job: BatchJob) -> None:
    do_one()
    do_one()
    long_ago = Now() - datetime.timedelta(seconds=RATE_S + 1)
    BatchJob.objects.filter(pk=job.pk).update(started_at=Now() - datetime.timedelta(hours=1))
    Chunk.objects.filter(number=0).update(finished_at=long_ago)
    job.refresh_from_db()
    assert batch_progress(job=job).rows_per_s == pytest.approx(4 / RATE_S)

    Chunk.objects.filter(number=1).update(finished_at=long_ago)
    progress = batch_progress(job=job)
    assert (progress.rows_per_s, progress.eta_s) == (0, None)


def test_a_paused_job_has_no_rate_and_no_end_in_sight(job: BatchJob) -> None:
    do_one()
    batch_job_pause(job=job, actor="ada")
    progress = batch_progress(job=job)
    assert (progress.rows_per_s, progress.eta_s) == (None, None)


def test_a_pause_does_not_count(job: BatchJob) -> None:
    do_one()
    batch_job_pause(job=job, actor="ada")
    ago(hours=1)
    batch_job_resume(job=job, actor="ada")
    assert batch_progress(job=job).rows_per_s is None

    do_one()
    ago(seconds=20)
    job.refresh_from_db()
    progress = batch_progress(job=job)
    assert progress.done == 8
    assert progress.rows_per_s == pytest.approx(4 / 20, rel=0.2)
    assert progress.eta_s == pytest.approx(2 / progress.rows_per_s)

    batch.work()
    job.refresh_from_db()
    assert batch_progress(job=job).rows_per_s == pytest.approx(6 / 20, rel=0.2)


def test_a_job_that_is_cancelled_in_a_pause_keeps_the_rate_it_had(job: BatchJob) -> None:
    BatchJob.objects.update(started_at=Now() - datetime.timedelta(seconds=20))
    do_one()
    batch_job_pause(job=job, actor="ada")
    ago(hours=1)
    batch_job_cancel(job=job, actor="ada")
    assert batch_progress(job=job).rows_per_s == pytest.approx(4 / 20, rel=0.2)


def test_only_what_is_tried_again_counts(job: BatchJob) -> None:
    batch.work()
    ago(hours=1)
    batch_job_retry(job=job, actor="ada")
    assert batch_progress(job=job).rows_per_s is None
    do_one()
    ago(seconds=20)
    job.refresh_from_db()
    progress = batch_progress(job=job)
    assert (progress.done, progress.rows_per_s) == (6, pytest.approx(4 / 20, rel=0.2))
    assert progress.eta_s == pytest.approx(4 / progress.rows_per_s)


def test_a_job_with_nothing_to_try_again_keeps_its_rate(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    batch.work()
    BatchJob.objects.update(started_at=F("finished_at") - datetime.timedelta(seconds=20))
    ago(hours=1)
    batch_job_retry(job=job, actor="ada")
    assert batch_progress(job=job).rows_per_s == pytest.approx(1 / 20, rel=0.2)


def test_a_job_that_is_done_keeps_its_rate(job: BatchJob) -> None:
    batch.work()
    BatchJob.objects.filter(pk=job.pk).update(started_at=F("finished_at") - datetime.timedelta(seconds=5))
    job.refresh_from_db()
    progress = batch_progress(job=job)
    assert (progress.done, progress.ok, progress.errors) == (10, 8, {"wrong_type": 2})
    assert (progress.rows_per_s, progress.eta_s) == (pytest.approx(2, rel=0.2), None)


def test_results_come_in_pages_and_by_what_became_of_the_rows(job: BatchJob) -> None:
    batch.work()

    def rows(**asked: object) -> list[int]:
        return [result.row for result in batch_results(job=job, **asked)]

    assert rows() == list(range(1, 11))
    assert rows(limit=3) == [1, 2, 3]
    assert rows(after=3, limit=3) == [4, 5, 6]
    assert rows(status="error") == rows(code="wrong_type") == [3, 6]
    assert rows(status="ok", after=5) == [7, 8, 9, 10]
    assert rows(code="poison") == []


def test_errors_are_found_without_reading_the_good_rows(job: BatchJob) -> None:
    with connection.cursor() as cursor:
        # Of tables as small as a test's, Postgres would read all.
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT row FROM jobs_result WHERE job_id = %s AND row > 0 AND error = 'wrong_type' ORDER BY row",
            [job.pk],
        )
        plan = " ".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "results_errors" in plan


def test_jobs_are_listed_newest_first_by_endpoint_and_state(flow: Endpoint) -> None:
    jobs = [order(flow, ["1,1"]) for _ in range(3)]
    batch_job_pause(job=jobs[1], actor="ada")
    assert [job.pk for job in batch_job_list()] == [job.pk for job in reversed(jobs)]
    assert [job.pk for job in batch_job_list(state="paused", endpoints=[flow.pk])] == [jobs[1].pk]
    assert not batch_job_list(endpoints=[])
