"""Batch work by real Celery workers on a real Valkey."""

from pathlib import Path

import pytest

from inference.models import Endpoint
from jobs.models import BatchJob, Worker
from tests.jobs import crew
from tests.jobs.orders import order, results
from tests.project.children import until


@pytest.fixture
def home(settings, flow: Endpoint) -> Path:
    return settings.FORETELL_HOME


def state(job: BatchJob) -> str:
    return BatchJob.objects.values_list("state", flat=True).get(pk=job.pk)


def test_a_worker_does_a_job_and_says_that_it_lives(flow: Endpoint, home: Path, dsn: str) -> None:
    with crew.worker(home, dsn):
        job = order(flow, [f"{number},1" for number in range(100)])
        until(lambda: state(job) == "done")
        assert Worker.objects.get(name="worker@test").queues == ["batch", "online"]
    assert [output for _, output, _ in results(job)] == [{"value": number + 1} for number in range(100)]
