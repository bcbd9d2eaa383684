"""A batch job from its file to its results, on a real Postgres and a real storage, worked on in this process."""

import datetime
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from django.core.files.storage import storages
from django.db import connection
from django.db.models.functions import Now
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from inference.engine.errors import InvalidInput
from inference.engine.loader import LoadedModel
from inference.engine.store import FolderStore
from inference.models import Endpoint
from jobs import storage
from jobs.batch import chunks, reading, shelf
from jobs.batch import work as batch
from jobs.errors import LeaseLost, StorageFull, StorageUnavailable
from jobs.leases import MOST_ATTEMPTS, Lease
from jobs.models import BatchJob, Chunk
from jobs.selectors import batch_progress
from jobs.services import batch_job_cancel, batch_job_pause, batch_job_resume, batch_job_retry
from jobs.workers import sweeper
from tests.jobs.orders import order, results

State = BatchJob.State


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    shelf.forget()
    yield
    shelf.forget()


class Meddled:
    """A model that answers a + b, and does something each time it is asked."""

    name = "meddled"

    def __init__(self, meddle: Callable[[], None]) -> None:
        self._meddle = meddle

    def scores(self, columns: Any) -> Any:
        self._meddle()
        return columns.matrix.sum(axis=1)


def meddle(job: BatchJob, what: Callable[[], None]) -> None:
    """Let something happen whenever the job's version is asked, in the middle of a chunk."""
    model = shelf.loaded(job.version)
    shelf.forget()
    shelf.keep(LoadedModel(model.manifest, model.digest, model.signature, Meddled(what), 0.0))


def line(number: int) -> str:
    return f"{number},1"


def said(rows: int) -> list[tuple[int, Any, str | None]]:
    """The results of lines 0, 1, …"""
    return [(number + 1, {"value": number + 1}, None) for number in range(rows)]


def read(flow: Endpoint, rows: int) -> BatchJob:
    """A job whose input was read."""
    job = order(flow, map(line, range(rows)))
    lease = reading.claim_unread()
    assert lease is not None
    reading.read(lease)
    job.refresh_from_db()
    return job


def begun() -> Lease:
    """A chunk that a worker began and will not end."""
    lease = chunks.claim_waiting()
    assert lease is not None
    return lease


def expire() -> None:
    """Let Postgres's clock pass the end of every lease."""
    past = Now() - datetime.timedelta(milliseconds=1)
    for model in (BatchJob, Chunk):
        model.objects.exclude(leased_until=None).update(leased_until=past)


def objects(job: BatchJob) -> list[str]:
    """What lies in the storage for a job, below its folder."""
    place = Path(storages["uploads"].path(reading.folder(job)))
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def test_a_file_becomes_results_in_its_order(flow: Endpoint) -> None:
    job = order(flow, map(line, range(10)))
    assert batch.work() is False

    job.refresh_from_db()
    assert (job.state, job.rows, job.code) == (State.DONE, 10, "")
    assert results(job) == [(number + 1, {"value": number + 1}, None) for number in range(10)]
    assert list(job.chunks.values_list("first_row", "rows", "state", "ok")) == [
        (1, 4, "done", 4),
        (5, 4, "done", 4),
        (9, 2, "done", 2),
    ]
    assert job.started_at < job.finished_at


def test_one_bad_row_never_fails_the_job(flow: Endpoint) -> None:
    """B56"""
    job = order(flow, ["1,1", "x,1", "2,1", "3,1000", "4", "5,1"])
    batch.work()

    job.refresh_from_db()
    assert job.state == State.DONE
    assert [error for _, _, error in results(job)] == [None, "wrong_type", None, "out_of_range", "wrong_shape", None]
    progress = batch_progress(job=job)
    assert (progress.rows, progress.done, progress.ok) == (6, 6, 3)
    assert progress.errors == {"out_of_range": 1, "wrong_shape": 1, "wrong_type": 1}


cell = st.one_of(
    st.floats(-150, 150, width=32).map(lambda number: (repr(number), number)),
    st.sampled_from([("", None), ("x", "x"), ("nan", float("nan")), ("1e999", float("inf")), ('"a\nb"', "a\nb")]),
)


@given(rows=st.lists(st.tuples(cell, cell), min_size=1, max_size=40))
@hypothesis(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_of_rows_gives_each_row_once_with_the_engines_own_answer(
    flow: Endpoint, rows: list[tuple[tuple[str, Any], ...]]
) -> None:
    job = order(flow, [",".join(text for text, _ in row) for row in rows])
    batch.work()

    job.refresh_from_db()
    assert job.state == State.DONE
    model = shelf.loaded(job.version)
    wanted: list[tuple[int, object, str | None]] = []
    for number, row in enumerate(rows, 1):
        try:
            asked = model.signature.row([value for _, value in row])
            wanted.append((number, msgspec.json.decode(model.predict([asked])[0]), None))
        except InvalidInput as refused:
            wanted.append((number, None, refused.code))
    assert results(job) == wanted


# ---- Workers that die, hang or come late ----------------------------------------------------------------------------


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
    storage.drop(job.chunks.first().file)
    batch.work()
    sweeper.sweep()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert [error for _, _, error in results(job)] == ["poison"] * 4 + [None] * 6
    assert list(job.chunks.values_list("attempts", flat=True)) == [MOST_ATTEMPTS, 1, 1]


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


def test_a_worker_that_ends_leaves_after_the_chunk_it_is_at(flow: Endpoint) -> None:
    job = read(flow, 10)
    asked: list[int] = []
    meddle(job, lambda: asked.append(1))
    assert batch.work(stopping=lambda: bool(asked)) is True
    assert list(job.chunks.values_list("state", flat=True)) == ["done", "waiting", "waiting"]


def test_a_look_ends_in_its_time_and_says_that_there_is_more(flow: Endpoint) -> None:
    job = read(flow, 10)
    assert batch.work(for_s=0) is True
    assert list(job.chunks.values_list("state", flat=True)) == ["done", "waiting", "waiting"]


def test_a_small_job_does_not_wait_for_a_big_ones_end(flow: Endpoint) -> None:
    big, small = read(flow, 12), read(flow, 4)
    order_of = [Chunk.objects.get(pk=begun().id).job_id for _ in range(4)]
    assert order_of == [big.pk, small.pk, big.pk, big.pk]


# ---- Reading --------------------------------------------------------------------------------------------------------


def test_a_file_that_stops_being_one_fails_the_job_with_its_line(flow: Endpoint) -> None:
    """B54"""
    job = order(flow, [*map(line, range(10)), '"never closed'])
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code, job.rows) == (State.FAILED, "bad_file", None)
    assert job.detail.startswith("Line 12: ")
    assert (job.finished_at is None, list(job.chunks.all()), objects(job)) == (False, [], [])


def test_a_file_without_rows_fails_the_job(flow: Endpoint) -> None:
    """B57"""
    job = order(flow, [])
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code) == (State.FAILED, "no_rows")


def test_a_reading_that_died_is_done_again_and_leaves_nothing_behind(flow: Endpoint) -> None:
    job = order(flow, map(line, range(10)))
    first = reading.claim_unread()
    assert first is not None
    storage.put(f"{reading.folder(job)}/{first.token}/0", b"what the first reader left")
    expire()
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))
    # The input is there no more: the pieces say the same.
    assert objects(job) == ["2/0", "2/1", "2/2"]
    assert not Path(storages["uploads"].path(job.file)).exists()


def test_a_reader_that_comes_late_makes_no_chunks(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    job = order(flow, map(line, range(10)))
    late = reading.claim_unread()
    assert late is not None
    put, pieces = storage.put, []

    def overtaken(name: str, data: bytes) -> str:
        pieces.append(name)
        if len(pieces) == 1:
            expire()
            batch.work()
        return put(name, data)

    monkeypatch.setattr(storage, "put", overtaken)
    with pytest.raises(LeaseLost):
        reading.read(late)
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))
    assert objects(job) == ["2/0", "2/1", "2/2"]


def test_a_reading_that_ends_every_worker_fails_the_job(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    for _ in range(MOST_ATTEMPTS):
        assert reading.claim_unread() is not None
        expire()
    assert reading.claim_unread() is None
    sweeper.sweep()
    job.refresh_from_db()
    assert (job.state, job.code) == (State.FAILED, "poison")


def test_a_full_storage_pauses_the_job_until_somebody_goes_on(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """B60"""
    job = order(flow, map(line, range(10)))
    put = storage.put

    def full(name: str, data: bytes) -> str:
        if name.endswith("/1"):
            raise StorageFull
        return put(name, data)

    monkeypatch.setattr(storage, "put", full)
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code, objects(job)) == (State.PAUSED, "storage_full", [])

    monkeypatch.setattr(storage, "put", put)
    batch_job_resume(job=job, actor="ada")
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code, results(job)) == (State.DONE, "", said(10))


def test_a_wide_signature_makes_small_chunks(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_CELLS", 6)
    job = read(flow, 7)
    assert list(job.chunks.values_list("rows", flat=True)) == [3, 3, 1]


# ---- Versions that can't answer -------------------------------------------------------------------------------------


def test_a_version_that_cannot_be_loaded_fails_the_job_and_poisons_nothing(flow: Endpoint, settings: Any) -> None:
    job = read(flow, 10)
    model = FolderStore(settings.STORE_DIR).path(job.version.digest) / "model.onnx"
    good = model.read_bytes()
    model.unlink()
    model.write_bytes(good[:-1] + b"!")
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code) == (State.FAILED, "model_unavailable")
    assert "artifact_corrupted" in job.detail
    assert list(job.chunks.values_list("attempts", "state")) == [(0, "waiting")] * 3

    model.write_bytes(good)
    batch_job_retry(job=job, actor="ada")
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code, results(job)) == (State.DONE, "", said(10))


def test_a_few_models_are_kept_and_the_one_used_last_stays() -> None:
    class Named:
        def __init__(self, digest: str) -> None:
            self.digest = digest

    first, second, third = Named("1"), Named("2"), Named("3")
    for model in (first, second, first, third):
        shelf.keep(model)
    assert shelf.kept() == ["1", "3"]


# ---- Changed while it runs ------------------------------------------------------------------------------------------


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
