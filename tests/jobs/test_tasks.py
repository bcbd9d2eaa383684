"""The Celery tasks, through a real worker."""

from collections.abc import Iterator

import pytest
from celery.contrib.testing.worker import start_worker

from inference import partitions
from jobs.schedules.standing import SCHEDULE
from jobs.tasks import partitions_maintain
from project.celery import app


@pytest.fixture
def worker(dsn: str, clean_tables: None) -> Iterator[None]:
    """A Celery worker on the embedded Valkey, in a thread of this process."""
    with start_worker(app, perform_ping_check=False, shutdown_timeout=30):
        yield


def test_a_worker_maintains_the_partitions(worker: None) -> None:
    partitions.ensure()  # there may be another day to come than when the tables were made

    result = partitions_maintain.delay().get(timeout=30)

    assert result == {"made": [], "dropped": [], "stray_rows": 0}


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)
