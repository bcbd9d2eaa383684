"""Worker and beat say that they live."""

import pytest
from celery.contrib.testing.worker import start_worker

from project.celery import app
from tests.jobs.schedulers import new_scheduler
from tests.project.children import until


@pytest.fixture
def pulse(settings, tmp_path):
    settings.PULSE_FILE = tmp_path / "pulse"
    return settings.PULSE_FILE


def test_a_worker_touches_its_pulse(dsn, clean_tables, pulse):
    with start_worker(app, perform_ping_check=False, shutdown_timeout=30, without_heartbeat=False):
        until(pulse.exists)


def test_beat_touches_its_pulse_at_each_look(dsn, clean_tables, pulse):
    scheduler = new_scheduler()
    scheduler.tick()
    assert pulse.exists()


def test_without_a_file_nothing_is_touched(settings, dsn, clean_tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings.PULSE_FILE = None
    new_scheduler().tick()
    assert list(tmp_path.iterdir()) == []
