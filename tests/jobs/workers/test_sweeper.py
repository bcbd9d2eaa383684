"""What the sweeper brings to an end, on a real Postgres and a real Valkey."""

import datetime
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db.models.functions import Now

from inference.models import Endpoint
from jobs import wakeups
from jobs.batch import chunks, reading
from jobs.batch import work as batch
from jobs.errors import LeaseLost
from jobs.leases import MOST_ATTEMPTS, claim
from jobs.models import BatchJob, Chunk, TrainingRun, Worker
from jobs.services import batch_job_pause
from jobs.training import workplace
from jobs.workers import sweeper
from tests.jobs.orders import order, results
from tests.project.children import until


@pytest.fixture
def valkey(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A client of the Valkey that wake-ups are sent to, with no wake-up in it yet."""
    # Those of tests before are sent from a thread.
    wakeups._sender(os.getpid())[0].submit(int).result(60)
    with redis.Redis.from_url(redis_url) as client:
        client.delete("batch", "training", "online")
        yield client
        client.delete("batch", "training", "online")


@pytest.fixture
def job(flow: Endpoint, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> BatchJob:
    """A job of three chunks that was read, and whose wake-ups were lost."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    asked = order(flow, [f"{number},1" for number in range(10)])
    lease = reading.claim_unread()
    assert lease is not None
    reading.read(lease)
    until(lambda: valkey.llen("batch") == 3)
    valkey.flushall()
    return asked


def test_lost_wake_ups_are_sent_again_but_not_on_top_of_those_that_wait(job: BatchJob, valkey: redis.Redis) -> None:
    """G8"""
    for _ in range(2):
        sweeper.sweep()
        until(lambda: valkey.llen("batch") == 3)
    valkey.lpop("batch")
    sweeper.sweep()
    until(lambda: valkey.llen("batch") == 3)


def test_nobody_is_woken_for_what_cannot_be_taken(job: BatchJob, valkey: redis.Redis) -> None:
    assert chunks.claim_waiting() is not None
    sweeper.sweep()
    until(lambda: valkey.llen("batch") == 2)
    valkey.flushall()
    batch_job_pause(job=job, actor="ada")
    sweeper.sweep()
    sweeper.sweep()
    assert valkey.llen("batch") == 0


def test_a_wake_up_is_sent_for_a_job_that_waits_to_be_read(flow: Endpoint, valkey: redis.Redis) -> None:
    order(flow, ["1,1"])
    until(lambda: valkey.llen("batch") == 1)
    valkey.flushall()
    sweeper.sweep()
    until(lambda: valkey.llen("batch") == 1)


def test_without_redis_the_rest_is_swept_all_the_same(job: BatchJob, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for _ in range(MOST_ATTEMPTS):
        assert chunks.claim_waiting() is not None
        Chunk.objects.update(leased_until=Now() - datetime.timedelta(seconds=1))
    sweeper.sweep()
    assert list(job.chunks.values_list("state", flat=True)) == ["poison", "waiting", "waiting"]


def test_a_job_whose_end_was_missed_is_done(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a worker dies right after its last chunk."""
    monkeypatch.setattr(chunks, "job_finish", lambda job_id: None)
    batch.work()
    monkeypatch.undo()
    job.refresh_from_db()
    assert (job.state, len(results(job))) == ("running", 10)
    sweeper.sweep()
    job.refresh_from_db()
    assert job.state == "done"


def test_a_training_that_ends_every_worker_fails(flow: Endpoint, valkey: redis.Redis) -> None:
    run = TrainingRun.objects.create(endpoint=flow, algorithm="line", policy="register", slot="1", created_by="ada")
    for _ in range(MOST_ATTEMPTS):
        sweeper.sweep()
        last = claim(TrainingRun.objects.all(), state=TrainingRun.State.RUNNING)
        assert last is not None
        TrainingRun.objects.update(leased_until=Now() - datetime.timedelta(seconds=1))
    until(lambda: valkey.llen("training") > 0)
    sweeper.sweep()
    run.refresh_from_db()
    assert (run.state, run.code) == ("failed", "poison")
    # Its third worker was only stopped, and wakes up.
    with pytest.raises(LeaseLost):
        last.update(step=TrainingRun.Step.PROMOTE)


def test_a_strange_folder_among_temporary_files_keeps_nothing_from_being_done(
    job: BatchJob, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    strange = tmp_path / f"{workplace.prefix()}{'-' * 36}-1-x"
    strange.mkdir()
    os.utime(strange, (0, 0))
    # That it can't be removed may be said.
    with suppress(ValueError):
        sweeper.sweep()
    until(lambda: valkey.llen("batch") == 3)


def test_a_worker_says_that_it_lives_and_is_forgotten_after_a_day(flow: Endpoint) -> None:
    Worker.objects.create(name="old", seen_at=Now() - datetime.timedelta(days=1, seconds=1))
    Worker.objects.create(name="quiet", seen_at=Now() - datetime.timedelta(hours=23))
    for queues in (["online"], ["batch", "online"]):
        sweeper.say_alive("worker@here", queues)
    assert list(Worker.objects.values_list("name", "queues")) == [("quiet", []), ("worker@here", ["batch", "online"])]
    assert Worker.objects.filter(name="worker@here", seen_at__gt=Now() - datetime.timedelta(seconds=9)).exists()
