"""Batch work by real Celery workers on a real Valkey."""

import re
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from inference.models import Endpoint
from jobs.models import BatchJob, Result, Worker
from jobs.workers import worker
from tests.jobs import crew
from tests.jobs.orders import order, results
from tests.project.children import until

LARGE = 150_000


@pytest.fixture
def home(settings: Any, flow: Endpoint) -> Path:
    """The state folder that workers share with the tests."""
    home: Path = settings.FORETELL_HOME
    return home


def state(job: BatchJob) -> str:
    """The job's state now."""
    return BatchJob.objects.values_list("state", flat=True).get(pk=job.pk)


def test_a_worker_does_a_job_behind_live_traffic_and_says_that_it_lives(flow: Endpoint, home: Path, dsn: str) -> None:
    with crew.worker(home, dsn) as main:
        job = order(flow, [f"{number},1" for number in range(100)])
        until(lambda: state(job) == "done")
        assert Worker.objects.get(name="worker@test").queues == ["batch", "online"]
        assert [child.nice() for child in main.children()] == [min(main.nice() + worker.NICENESS, 19)]
    assert [output for _, output, _ in results(job)] == [{"value": number + 1} for number in range(100)]


def test_a_worker_logs_what_it_did_as_every_process_does(flow: Endpoint, home: Path, dsn: str) -> None:
    with crew.worker(home, dsn):
        job = order(flow, ["1,1"])
        until(lambda: state(job) == "done")
    done = rf"^\S+Z \[info +\] a batch job is done +\[jobs\.batch\.chunks\] job={job.pk}$"
    assert re.search(done, (home / "worker.log").read_text(), re.MULTILINE)


def test_a_worker_that_is_ended_finishes_its_chunk_and_leaves_the_rest(flow: Endpoint, home: Path, dsn: str) -> None:
    with crew.worker(home, dsn, processes=2) as main:
        job = order(flow, ["1,1"] * LARGE)
        until(lambda: job.chunks.filter(state="done").exists())
        main.send_signal(signal.SIGTERM)
        main.wait(30)
    assert state(job) == "running", "the job was over before the worker was told to end"
    done = job.chunks.filter(state="done").count()
    assert Result.objects.filter(job=job.pk).count() == done * 10_000
    # Nothing was begun and left: no lease needs to run out.
    assert set(job.chunks.values_list("state", "leased_until")) == {("done", None), ("waiting", None)}

    with crew.worker(home, dsn, name="next"):
        until(lambda: state(job) == "done")
    assert set(job.chunks.values_list("attempts", "ok")) == {(1, 10_000)}


def test_what_fails_in_a_round_keeps_nothing_else_from_being_done(
    flow: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, looked = threading.Event(), threading.Event()

    class Deaf:
        def look(self) -> None:
            heard.set()
            raise ValueError("a defect")

    def fail() -> None:
        raise LookupError("another defect")

    monkeypatch.setattr(worker.sweeper, "sweep", fail)
    monkeypatch.setattr(worker, "schedules_look", looked.set)
    rounds = worker.Rounds("worker@round", ["batch"], Deaf())
    rounds.start()
    assert looked.wait(30)
    rounds.stop()
    assert heard.is_set()
    assert Worker.objects.filter(name="worker@round").exists()
