"""Batch jobs as they are asked for and changed, on a real Postgres."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from inference.engine.errors import ModelUnavailable
from inference.errors import UnknownEndpoint, UnknownVersion
from inference.models import ControlLog, Endpoint
from jobs import wakeups
from jobs.batch import reading
from jobs.batch import work as batch
from jobs.errors import JobState
from jobs.models import BatchJob, Chunk, Result
from jobs.services import (
    batch_job_cancel,
    batch_job_create,
    batch_job_expire,
    batch_job_pause,
    batch_job_resume,
    batch_job_retry,
)
from tests.jobs.orders import order, results, upload

State = BatchJob.State
Service = Callable[..., BatchJob]


def test_a_job_is_answered_by_the_champion_of_then(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    assert (job.version.tag, job.state, job.created_by, job.slot != "") == ("line-1.0.0", State.QUEUED, "ada", True)
    assert (job.file_name, job.file_bytes, job.columns, job.carried) == ("rows.csv", 8, ["a", "b"], [])


def test_columns_that_are_no_inputs_are_carried(flow: Endpoint) -> None:
    asked = upload(["1,7,2"], columns=("a", "id", "b"))
    job = batch_job_create(endpoint=flow, version=flow.versions.get(), upload=asked, actor="ada")
    batch.work()
    assert (job.carried, results(job)) == (["id"], [(1, {"value": 3}, None)])


def test_each_change_is_written_down(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    batch_job_pause(job=job, actor="bob")
    batch_job_resume(job=job, actor="bob")
    batch_job_cancel(job=job, actor="eve")
    log = ControlLog.objects.filter(object_id=str(job.pk)).order_by("pk")
    assert list(log.values_list("actor", "action", "after")) == [
        ("ada", "batch_job.create", {"version": "line-1.0.0", "kind": "upload", "file": "rows.csv"}),
        ("bob", "batch_job.pause", {"state": "paused"}),
        ("bob", "batch_job.resume", {"state": "queued"}),
        ("eve", "batch_job.cancel", {"state": "cancelled"}),
    ]


def test_a_slot_has_one_job(flow: Endpoint) -> None:
    asked = upload(["1,1"])
    made = [
        batch_job_create(endpoint=flow, version=None, upload=asked, actor="a", schedule="nightly", slot="2026-11-22")
        for _ in range(2)
    ]
    assert made[0].pk == made[1].pk
    assert BatchJob.objects.count() == 1
    assert ControlLog.objects.filter(action="batch_job.create").count() == 1


def test_what_cannot_answer_is_refused(flow: Endpoint, tmp_path: Path) -> None:
    asked = upload(["1,1"])
    version = flow.versions.get()
    Endpoint.objects.create(slug="other", name="Other", folder="other", signature=flow.signature)
    other = Endpoint.objects.get(slug="other")
    with pytest.raises(UnknownVersion):
        batch_job_create(endpoint=other, version=version, upload=asked, actor="ada")
    with pytest.raises(ModelUnavailable):
        batch_job_create(endpoint=other, version=None, upload=asked, actor="ada")
    Endpoint.objects.filter(pk=other.pk).update(retired_at="2026-01-01T00:00:00Z")
    with pytest.raises(UnknownEndpoint):
        batch_job_create(endpoint=Endpoint.objects.get(pk=other.pk), version=None, upload=asked, actor="ada")
    assert not BatchJob.objects.exists()


POSSIBLE: dict[Service, dict[str, str]] = {
    batch_job_pause: dict.fromkeys(("queued", "reading", "running"), "paused"),
    batch_job_resume: {"paused": "queued"},
    batch_job_cancel: dict.fromkeys(("queued", "reading", "running", "paused"), "cancelled"),
    batch_job_retry: dict.fromkeys(("done", "failed"), "queued"),
}


@pytest.mark.parametrize("change", POSSIBLE, ids=lambda change: change.__name__)
def test_a_state_allows_what_it_allows(flow: Endpoint, change: Service) -> None:
    """B61"""
    job = order(flow, ["1,1"])
    for state in State.values:
        BatchJob.objects.filter(pk=job.pk).update(state=state)
        if state in POSSIBLE[change]:
            assert change(job=job, actor="ada").state == POSSIBLE[change][state]
        else:
            with pytest.raises(JobState, match=f"A job that is {state} can't be "):
                change(job=job, actor="ada")
            assert BatchJob.objects.get(pk=job.pk).state == state


def test_an_expired_job_keeps_its_counts_and_loses_the_rest(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.services.batch.EXPIRE_ROWS", 3)
    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    other = order(flow, ["5,5"])
    job = order(flow, [f"{number},1" for number in range(10)])
    batch.work()
    batch_job_expire(job=job)
    batch_job_expire(job=job)

    assert (job.state, job.rows) == (State.DONE, 10)
    assert job.expired_at is not None
    assert sum(job.chunks.values_list("ok", flat=True)) == 10
    assert list(Result.objects.values_list("job", flat=True)) == [other.pk]
    assert not Path(storages["uploads"].path(reading.folder(job))).exists()
    with pytest.raises(JobState, match="expired"):
        batch_job_retry(job=job, actor="ada")


def test_a_job_that_never_was_read_can_expire(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    batch_job_cancel(job=job, actor="ada")
    batch_job_expire(job=job)
    assert not Path(storages["uploads"].path(job.file)).exists()


def test_an_open_job_does_not_expire(flow: Endpoint) -> None:
    job = order(flow, ["1,1"])
    with pytest.raises(JobState):
        batch_job_expire(job=job)


def test_a_retried_chunk_belongs_to_nobody_who_had_it(flow: Endpoint) -> None:
    job = order(flow, ["x,1"])
    batch.work()
    token = job.chunks.get().token
    batch_job_retry(job=job, actor="ada")
    chunk = job.chunks.get()
    assert (chunk.state, chunk.token, chunk.attempts) == (Chunk.State.WAITING, token + 1, 0)


def test_asking_does_not_wait_for_a_redis_that_hangs(
    flow: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P56: the job is stored and its caller answered; the wake-up is somebody else's trouble."""
    tried, go_on = threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> None:
        tried.set()
        go_on.wait(30)

    monkeypatch.setattr(wakeups, "_send", hang)
    job = order(flow, ["1,1"])
    assert BatchJob.objects.filter(pk=job.pk).exists()
    assert tried.wait(30)
    go_on.set()
