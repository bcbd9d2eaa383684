"""Objects that a bucket does not give although it answers, and what is worked on meanwhile."""

import datetime

import pytest

from inference.models import Endpoint
from jobs import storage
from jobs.batch import work as batch
from jobs.batch.downloads import download
from jobs.batch.work import MOST_REFUSED
from jobs.errors import InputRefused
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob, Chunk, Result
from jobs.replay import replay
from jobs.replay.query import Selection
from jobs.services import batch_job_pause, batch_job_resume, batch_job_retry, batch_query_create
from jobs.workers import sweeper
from tests.bucket import Bucket
from tests.jobs.answered import store
from tests.jobs.batch.scene import expire, line, read, said
from tests.jobs.orders import order, results

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


def refuse(bucket: Bucket, *names: str) -> None:
    """Let the bucket answer 403 to whoever asks for these objects of the uploads."""
    bucket.refuse("GetObject", *(f"here/uploads/{name}" for name in names))


def try_after_try(times: int = MOST_ATTEMPTS) -> None:
    """Work as often as refused work is tried, each time after it has rested."""
    for _ in range(times):
        expire()
        assert batch.work() is False


def test_other_pieces_are_worked_on_beside_one_that_is_refused(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 10)
    refuse(bucket, job.chunks.get(number=0).file)

    assert batch.work() is False

    assert list(job.chunks.values_list("state", "attempts")) == [("waiting", 1), ("done", 1), ("done", 1)]
    bucket.allow()
    expire()
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


def test_refused_pieces_in_front_of_all_others_hold_none_of_them_up(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 4 * (MOST_REFUSED + 3))
    refuse(bucket, *(chunk.file for chunk in job.chunks.filter(number__lte=MOST_REFUSED)))

    assert batch.work() is False

    refused, others = [("waiting", 1)] * (MOST_REFUSED + 1), [("done", 1)] * 2
    assert list(job.chunks.order_by("number").values_list("state", "attempts")) == refused + others


def test_refused_work_rests_and_wakes_nobody(flow: Endpoint, bucket: Bucket) -> None:
    job, unread = read(flow, 4), order(flow, map(line, range(4)))
    refuse(bucket, job.chunks.get().file, unread.file)

    for _ in range(MOST_ATTEMPTS + 1):
        assert batch.work() is False

    assert list(Chunk.objects.values_list("state", "attempts")) == [("waiting", 1)]
    unread.refresh_from_db()
    assert (unread.state, unread.attempts) == (State.QUEUED, 1)
    assert sweeper._takeable_batch() == 0


def test_rows_of_a_piece_that_is_refused_try_after_try_end_and_are_told_why(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 10)
    refuse(bucket, job.chunks.get(number=1).file)

    try_after_try()

    job.refresh_from_db()
    assert job.state == State.DONE
    assert results(job) == [*said(4), *[(row, None, "input_lost") for row in range(5, 9)], *said(10)[8:]]
    assert Result.objects.filter(job=job.pk, error="input_lost").first().detail == str(InputRefused())
    assert list(job.chunks.values_list("state", "attempts")) == [("done", 1), ("done", 3), ("done", 1)]
    told = b"".join(download(job=job, format="csv").pieces).decode().splitlines()
    assert told[5].startswith(",,5,error,,input_lost,")

    bucket.allow()
    batch_job_retry(job=job, actor="ada")
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


def test_other_jobs_are_read_beside_inputs_that_are_refused(flow: Endpoint, bucket: Bucket) -> None:
    refused = [order(flow, map(line, range(9 + more))) for more in range(MOST_REFUSED + 1)]
    other = order(flow, map(line, range(4)))
    refuse(bucket, *(job.file for job in refused))

    assert batch.work() is False

    other.refresh_from_db()
    assert (other.state, results(other)) == (State.DONE, said(4))
    waiting = BatchJob.objects.filter(pk__in=[job.pk for job in refused])
    assert set(waiting.values_list("state", "attempts")) == {(State.QUEUED, 1)}


def test_a_job_whose_input_is_refused_try_after_try_fails_and_goes_on_by_a_retry(
    flow: Endpoint, bucket: Bucket
) -> None:
    job = order(flow, map(line, range(10)))
    refuse(bucket, job.file)
    assert batch.work() is False
    batch_job_pause(job=job, actor="ada")
    batch_job_resume(job=job, actor="ada")

    try_after_try(MOST_ATTEMPTS - 1)

    job.refresh_from_db()
    assert (job.state, job.code, job.detail) == (State.FAILED, "input_lost", str(InputRefused()))
    bucket.allow()
    batch_job_retry(job=job, actor="ada")
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


def test_a_job_whose_pieces_are_not_taken_fails_and_holds_nobody_up(flow: Endpoint, bucket: Bucket) -> None:
    other = read(flow, 4)
    job = order(flow, map(line, range(10)))
    bucket.refuse("PutObject", f"here/uploads/jobs/{job.pk}/*")

    try_after_try()

    job.refresh_from_db()
    assert (job.state, job.code, results(other)) == (State.FAILED, "input_lost", said(4))


def test_a_bad_file_is_said_to_be_one_where_nothing_can_be_removed(flow: Endpoint, bucket: Bucket) -> None:
    job = order(flow, ["1,1", '"1,2'])
    bucket.refuse("DeleteObject", "*")

    batch.work()

    job.refresh_from_db()
    assert (job.state, job.code, job.attempts) == (State.FAILED, "bad_file", 1)


def test_a_replay_whose_input_is_refused_says_in_the_end_why_there_is_no_report(
    flow: Endpoint, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(flow, [[number, 1] for number in range(4)])
    now = datetime.datetime.now(datetime.UTC)
    asked = Selection(since=now - datetime.timedelta(days=1), until=now + datetime.timedelta(days=1))
    job = batch_query_create(endpoint=flow, version=None, selection=asked, actor="ada")
    with monkeypatch.context() as patched:
        patched.setattr(replay, "claim_unreported", lambda **_: None)
        batch.work()
    refuse(bucket, job.chunks.get().file)

    try_after_try(2 * MOST_ATTEMPTS)

    job.refresh_from_db()
    assert (job.state, job.code, job.report) == (State.DONE, "input_lost", None)
    assert job.detail == f"There is no report. {InputRefused()}"


def test_a_bucket_that_refuses_everything_is_away_and_costs_no_attempt(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 4 * (MOST_REFUSED + 1))
    bucket.refuse("*", "*")

    try_after_try(MOST_ATTEMPTS + 1)

    assert set(job.chunks.values_list("state", "attempts", "leased_until")) == {("waiting", 0, None)}
    bucket.allow()
    batch.work()
    assert results(job) == said(4 * (MOST_REFUSED + 1))


def test_a_bucket_that_only_takes_nothing_costs_no_attempt(flow: Endpoint, bucket: Bucket) -> None:
    """Whether it would give another object can't be found out then."""
    job, other = read(flow, 10), read(flow, 4)
    piece = job.chunks.get(number=0).file
    bucket.objects.put_object(Key=f"here/uploads/{piece}", Body=storage.get(piece), StorageClass="GLACIER")
    bucket.refuse("PutObject", "*")

    try_after_try(MOST_ATTEMPTS + 1)

    assert list(job.chunks.values_list("state", "attempts")) == [("waiting", 0), ("done", 1), ("done", 1)]
    assert results(other) == said(4)


def test_a_look_that_ends_beside_a_storage_that_is_away_does_not_ask_for_another_at_once(
    flow: Endpoint, bucket: Bucket
) -> None:
    read(flow, 10)
    bucket.refuse("*", "*")

    assert batch.work(for_s=0) is False
