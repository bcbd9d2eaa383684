"""Beat and schedules: what is due is sent in time, and twice is once."""

import datetime
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import task_success
from django.db import connection
from django_celery_beat.models import PeriodicTask

from inference.models import Endpoint
from jobs.models import BatchJob, ScheduleSlot
from jobs.schedules.rows import BatchPlan, Kept, kept, schedule_get, system_schedule_list
from jobs.schedules.standing import SCHEDULE
from jobs.services import schedule_change, schedule_create
from jobs.tasks import schedule_due
from jobs.workers.pulse import Scheduler
from project.celery import app
from project.part import Part, end
from tests.jobs.crew import ROOT, worker
from tests.jobs.schedulers import new_scheduler
from tests.project.children import until

NOW = datetime.datetime.now(datetime.UTC)


def missed(endpoint: Endpoint, crontab: str) -> None:
    """A schedule that exists for ten days, and was started last two days ago."""
    schedule_create(name="nightly", endpoint=endpoint, plan=BatchPlan(hours=24), crontab=crontab, actor="ann")
    row = PeriodicTask.objects.get(name="nightly")
    known = kept(row)
    said = Kept(
        schedule=known.schedule,
        endpoint=known.endpoint,
        plan=known.plan,
        since=NOW - datetime.timedelta(days=10),
        created_by=known.created_by,
    )
    last = NOW - datetime.timedelta(days=2)
    PeriodicTask.objects.filter(pk=row.pk).update(kwargs=said.text(), last_run_at=last)


def turned(scheduler: Scheduler) -> None:
    """Let beat send all that is due now."""
    while scheduler.tick() == 0:
        pass
    scheduler.sync()


@contextmanager
def heard() -> Iterator[list[Any]]:
    """The messages about schedules that a worker in this process has seen to."""
    done: list[Any] = []

    def note(sender: Any, **_: Any) -> None:
        if sender.name == schedule_due.name:
            done.append(sender.request.kwargs)

    task_success.connect(note)
    try:
        with start_worker(app, perform_ping_check=False, shutdown_timeout=30):
            yield done
    finally:
        task_success.disconnect(note)


def test_two_beats_send_a_slot_twice_and_it_starts_once(flow: Endpoint) -> None:
    # Daily: the next slot does not come between the two messages.
    missed(flow, f"0 {(NOW.hour + 12) % 24} * * *")
    first, second = new_scheduler(), new_scheduler()
    assert {first.schedule["nightly"].task, second.schedule["nightly"].task} == {"jobs.schedule_due"}

    with heard() as messages:
        turned(first)
        turned(second)
        until(lambda: len(messages) >= 2)

    assert {one["schedule"] for one in messages} == {"nightly"}
    assert BatchJob.objects.count() == 1
    assert ScheduleSlot.objects.count() == 1


def test_a_daily_slot_that_was_missed_is_sent_at_whatever_hour_beat_is_back(flow: Endpoint) -> None:
    missed(flow, f"0 {(NOW.hour + 12) % 24} * * *")

    with heard() as messages:
        turned(new_scheduler())
        until(lambda: len(messages) >= 1)

    assert BatchJob.objects.get().schedule == "nightly"


def test_a_slot_that_no_message_told_of_is_started_by_a_worker(flow: Endpoint, dsn: str, settings: Any) -> None:
    missed(flow, "*/5 * * * *")

    with worker(Path(settings.FORETELL_HOME), dsn, queues="batch"):
        until(lambda: ScheduleSlot.objects.exists())

    # The next slot may have come meanwhile.
    assert {job.schedule for job in BatchJob.objects.all()} == {"nightly"}
    assert BatchJob.objects.count() <= ScheduleSlot.objects.count() <= 2


def test_beat_undoes_nothing_when_it_writes_down_what_it_sent(flow: Endpoint, dsn: str) -> None:
    missed(flow, "*/5 * * * *")
    scheduler = new_scheduler()
    sent = scheduler.reserve(scheduler.schedule["nightly"])

    def write() -> None:
        sent.save()
        connection.close()

    writing = threading.Thread(target=write)
    with psycopg.connect(dsn) as someone, psycopg.connect(dsn, autocommit=True) as observer:
        # Somebody disables it just then: beat may have read the row already, and has to wait before it writes.
        someone.execute("UPDATE django_celery_beat_periodictask SET enabled = false WHERE name = 'nightly'")
        writing.start()
        until(lambda: observer.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None)
    writing.join()
    scheduler.sync()

    row = PeriodicTask.objects.get(name="nightly")
    assert (row.enabled, row.total_run_count, row.last_run_at) == (False, 1, sent.model.last_run_at)


def test_a_disabled_schedule_is_not_sent(flow: Endpoint) -> None:
    missed(flow, "*/5 * * * *")
    schedule_change(schedule=schedule_get(name="nightly"), enabled=False, actor="ann")

    assert "nightly" not in new_scheduler().schedule


def test_beat_writes_its_own_schedules_down_where_they_expire(flow: Endpoint) -> None:
    new_scheduler()

    own = {one.name: one for one in system_schedule_list()}
    assert own.keys() >= SCHEDULE.keys()
    assert own["partitions"].task == "jobs.partitions_maintain"
    assert (own["partitions"].when, own["sweeper"].when) == ("17 * * * * UTC", "every 10 seconds")
    limits = PeriodicTask.objects.filter(name__in=SCHEDULE).values_list("name", "expire_seconds")
    assert dict(limits) == {name: entry["options"]["expire_seconds"] for name, entry in SCHEDULE.items()}


@contextmanager
def beat(home: Path, dsn: str, name: str) -> Iterator[Path]:
    """A real beat: its log."""
    argv = (sys.executable, "-m", "celery", "-A", "project", "beat", "--pidfile=")
    own = {"DATABASE_URL": dsn, "FORETELL_HOME": str(home), "DJANGO_SETTINGS_MODULE": "tests.talkative"}
    env = {**os.environ, **own}
    part = Part(name=name, argv=argv, log=home / f"{name}.log", env=env, cwd=ROOT, grace_s=10)
    process = part.spawn()
    try:
        yield part.log
    finally:
        end(process, part)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_two_beats_and_a_worker_start_each_minutes_slot_once(flow: Endpoint, dsn: str, settings: Any) -> None:
    schedule_create(name="nightly", endpoint=flow, plan=BatchPlan(hours=1), crontab="* * * * *", actor="ann")
    home = Path(settings.FORETELL_HOME)

    def sent(log: Path) -> int:
        return log.read_text().count("Sending due task nightly")

    with worker(home, dsn), beat(home, dsn, "beat-1") as one, beat(home, dsn, "beat-2") as other:
        until(lambda: min(sent(one), sent(other)) >= 2, timeout_s=200)
        until(lambda: ScheduleSlot.objects.count() >= 2)

    slots = list(ScheduleSlot.objects.order_by("due_at").values_list("slot", flat=True))
    assert sorted(BatchJob.objects.values_list("slot", flat=True)) == sorted(slots)
    assert len(slots) == len(set(slots)) < sent(one) + sent(other)
