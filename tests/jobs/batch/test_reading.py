"""Reading an input: cut into pieces once, or refused with the place."""

import datetime
import tempfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from inference.errors import UnknownVersion
from inference.models import Endpoint
from jobs import storage
from jobs.batch import reading
from jobs.batch import work as batch
from jobs.errors import LeaseLost, StorageFull
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob
from jobs.replay import query
from jobs.replay.query import Selection
from jobs.services import batch_job_create, batch_job_resume, batch_query_create
from jobs.workers import sweeper
from tests.jobs.answered import store
from tests.jobs.batch.scene import expire, line, objects, read, said
from tests.jobs.orders import order, results, upload

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


def asked(flow: Endpoint, **said: Any) -> BatchJob:
    """A job that asks for what was stored lately."""
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    selection = Selection(since=now - day, until=now + day, **said)
    return batch_query_create(endpoint=flow, version=None, selection=selection, actor="ada")


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
    storage.put(f"{reading.folder(job)}/input-{first.token}", b"and what it froze")
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


def test_a_query_frozen_too_late_leaves_nothing_behind(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    store(flow, [[number, 1] for number in range(10)])
    job = asked(flow)
    late = reading.claim_unread()
    assert late is not None
    put, names = storage.put, []

    def overtaken(name: str, data: bytes | Path) -> str:
        names.append(name)
        if len(names) == 1:
            expire()
            batch.work()
        return put(name, data)

    monkeypatch.setattr(storage, "put", overtaken)
    with pytest.raises(LeaseLost):
        reading.read(late)
    job.refresh_from_db()
    assert (job.state, len(results(job))) == (State.DONE, 10)
    assert objects(job) == ["2/0", "2/1", "2/2"]


def test_a_query_for_a_version_that_is_gone_fails_with_that(flow: Endpoint) -> None:
    store(flow, [[1, 1]])
    job = asked(flow, version="line-1.0.0")
    BatchJob.objects.filter(pk=job.pk).update(selection=job.selection | {"version": "line-9.9.9"})

    batch.work()

    job.refresh_from_db()
    assert (job.state, job.code, job.attempts) == (State.FAILED, UnknownVersion.code, 1)
    assert "line-9.9.9" in job.detail


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


def test_carried_columns_make_small_chunks_too(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_CELLS", 6)
    wide = upload([f"{number},x,1" for number in range(5)], columns=("a", "id", "b"))
    job = batch_job_create(endpoint=flow, version=None, upload=wide, actor="ada")
    batch.work()
    assert list(job.chunks.values_list("rows", flat=True)) == [2, 2, 1]


def test_a_worker_that_is_killed_while_it_freezes_leaves_no_file(
    flow: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(flow, [[1, 2]] * 10)
    asked(flow)
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    freeze, left = query.freeze, []

    def looked_at(**asked: Any) -> query.Frozen:
        made = freeze(**asked)
        left.append(list(place.iterdir()))
        return made

    monkeypatch.setattr(query, "freeze", looked_at)
    lease = reading.claim_unread()
    assert lease is not None
    reading.read(lease)

    assert left == [[]]
