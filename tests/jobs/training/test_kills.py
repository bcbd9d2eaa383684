"""A worker that is killed at each step of a run: nothing that is served changes, and another one goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.jobs.training.trainers import trainers
from tests.project.children import alive, until

# What trains gives way to all else: on a busy machine it takes its time.
pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).resolve().parents[3]
WORKER = """
import os, django
from pathlib import Path
django.setup()
from django.conf import settings
settings.ARTIFACTS_DIR, settings.STORE_DIR = Path({artifacts!r}), Path({store!r})
from jobs.training import runs
runs.work()
"""
LOCKS = {
    "publishing": "LOCK TABLE inference_version IN SHARE MODE",
    "promoting": "SELECT 1 FROM inference_endpoint FOR NO KEY UPDATE",
}
"""What keeps a run from its end until its worker is dead."""


@contextlib.contextmanager
def worker(dsn: str, settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works on what there is. It is killed if it still lives."""
    code = WORKER.format(artifacts=str(settings.ARTIFACTS_DIR), store=str(settings.STORE_DIR))
    environment = {**os.environ, "DATABASE_URL": dsn}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.fault
@pytest.mark.long
@pytest.mark.parametrize(
    "line",
    [
        "selecting data",
        "to become",
        "rows to train on",
        "ONNX equal",
        "measuring and judging",
        "publishing",
        "promoting",
    ],
)
def test_a_killed_worker_changes_nothing_and_the_next_one_ends_the_run(
    boiler: Any, dsn: str, settings: Any, line: str
) -> None:
    from django.db import connection

    from inference.models import Version
    from jobs.models import TrainingRun
    from jobs.services.training import training_run_start
    from jobs.training import runs

    run = training_run_start(endpoint=boiler, algorithm="plain", actor="ann", reason="")
    with psycopg.connect(dsn) as other, worker(dsn, settings) as process:
        other.execute(LOCKS.get(line, LOCKS["publishing"]))
        until(lambda: run.lines.filter(text__contains=line).exists() or process.poll() is not None, timeout_s=400)
        assert process.poll() is None, list(run.lines.values_list("text", flat=True))
        begun = trainers(psutil.Process(process.pid))
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not any(alive(one.pid) for one in begun))

    assert boiler.deployments.get().version.tag == "plain-1.0.0"
    run.refresh_from_db()
    assert run.state == "running"
    assert not runs.work(), "it is held until its lease ends"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_trainingrun SET leased_until = now() - interval '1 s'")
    assert runs.work()
    run.refresh_from_db()
    said = (run.code, run.detail, list(run.lines.values_list("text", flat=True)))
    assert (run.state, run.attempts, run.token) == ("deployed", 2, 2), said
    assert sorted(one.tag for one in Version.objects.all()) == ["plain-1.0.0", "plain-1.0.1"]
    assert [one.version.tag for one in boiler.deployments.order_by("id")] == ["plain-1.0.0", "plain-1.0.1"]
    assert TrainingRun.objects.count() == 1
    _tidied(str(run.pk))


def _tidied(run: str) -> None:
    """What the killed worker left goes once it is an hour old, and not before."""
    from jobs.training import workplace

    left = list(Path(tempfile.gettempdir()).glob(f"{workplace.prefix()}{run}-*"))
    workplace.tidy()
    assert [place for place in left if place.exists()] == left
    for place in left:
        os.utime(place, (time.time() - workplace.ORPHAN_S - 1,) * 2)
    assert set(left) <= set(workplace.tidy())
    assert not [place for place in left if place.exists()]


@pytest.mark.fault
def test_a_cancelled_run_ends_its_process_at_once(boiler: Any, dsn: str, settings: Any) -> None:
    from jobs.services.training import training_run_cancel, training_run_start

    run = training_run_start(endpoint=boiler, algorithm="plain", actor="ann", reason="")
    with worker(dsn, settings) as process:
        main = psutil.Process(process.pid)
        until(lambda: run.lines.filter(text__contains="selecting").exists() and trainers(main), timeout_s=60)
        training_run_cancel(run=run, actor="bob", reason="not now")
        assert process.wait(timeout=30) == 0
    run.refresh_from_db()
    assert (run.state, run.candidate) == ("cancelled", None)
    assert boiler.deployments.get().version.tag == "plain-1.0.0"


def test_a_worker_that_is_to_end_gives_the_run_back(boiler: Any) -> None:
    from jobs.services.training import training_run_start
    from jobs.training import runs

    run = training_run_start(endpoint=boiler, algorithm="plain", actor="ann", reason="")
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 1

    runs.work(stopping=stopping)
    run.refresh_from_db()
    assert (run.state, run.leased_until, run.attempts, run.step) == ("running", None, 0, "select")
    assert runs.work()
    run.refresh_from_db()
    assert run.state == "deployed"
