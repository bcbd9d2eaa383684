"""Schedules that are due: each slot is started once."""

import datetime
import threading
import uuid
from typing import Any

import psycopg
from django.db import connection
from django_celery_beat.models import PeriodicTask

from inference.models import Deployment, Device, Endpoint
from jobs.batch import work as batch
from jobs.models import BatchJob, ScheduleSlot, TrainingRun
from jobs.replay.query import Selection
from jobs.schedules.rows import BatchPlan, schedule_get
from jobs.services import schedule_change, schedule_start, schedules_look
from tests.jobs.services.schedules import LINE, ago, long_known, made


def test_a_schedule_of_an_unknown_device_finds_nothing_as_one_of_a_silent_device_does(flow: Endpoint) -> None:
    Device.objects.create(name="pump-7")
    crontab = f"{ago(0.1).minute} * * * *"
    for name in ("nobody", "pump-7"):
        made(flow, BatchPlan(hours=6, device=name), crontab, name=name)
        long_known(name)
    assert schedules_look() == 2

    batch.work()

    assert set(BatchJob.objects.values_list("state", "code")) == {("failed", "no_rows")}
    assert BatchJob.objects.values("detail").distinct().count() == 1


def test_a_due_slot_starts_a_query_over_the_hours_before_it_once(flow: Endpoint) -> None:
    Device.objects.create(name="pump-7")
    made(flow, BatchPlan(hours=6, version="line-1.0.0", device="pump-7", limit=500))
    long_known()

    job = schedule_start(name="nightly")

    assert isinstance(job, BatchJob)
    assert (job.kind, job.state, job.schedule, job.created_by) == ("query", "queued", "nightly", "schedule:nightly")
    selection = Selection.from_dict(job.selection)
    assert selection.until - selection.since == datetime.timedelta(hours=6)
    assert (selection.until.minute, selection.until.second, selection.device, selection.limit) == (0, 0, "pump-7", 500)
    assert job.slot == f"{selection.until:%Y-%m-%dT%H:%M} UTC"
    slot = ScheduleSlot.objects.get()
    assert (slot.slot, slot.started_id, slot.code) == (job.slot, uuid.UUID(str(job.pk)), "")
    assert schedule_start(name="nightly") is None
    assert schedules_look() == 0
    assert BatchJob.objects.count() == 1
    latest = schedule_get(name="nightly").latest
    assert latest is not None
    assert latest == slot


def test_many_missed_slots_are_made_up_for_by_one(flow: Endpoint) -> None:
    made(flow, crontab="*/5 * * * *")
    long_known()

    assert schedules_look() == 1
    assert schedules_look() == 0
    assert BatchJob.objects.count() == 1


def test_a_new_schedule_makes_up_for_nothing(flow: Endpoint) -> None:
    made(flow, crontab="*/5 * * * *")

    assert schedule_start(name="nightly") is None


def test_what_was_due_while_it_was_disabled_or_had_other_times_is_not_made_up_for(flow: Endpoint) -> None:
    made(flow, enabled=False)
    long_known()
    assert schedule_get(name="nightly").next_at is None
    assert schedules_look() == 0
    assert schedule_start(name="nightly") is None

    enabled = schedule_change(schedule=schedule_get(name="nightly"), enabled=True, actor="ann")

    assert enabled.next_at is not None
    assert schedules_look() == 0
    long_known()
    schedule_change(schedule=enabled, crontab="30 * * * *", actor="ann")
    assert schedules_look() == 0


def test_a_slot_that_can_not_start_says_why_and_the_next_one_is_tried(flow: Endpoint) -> None:
    made(flow)
    long_known()
    Endpoint.objects.filter(pk=flow.pk).update(retired_at=ago(1))

    assert schedule_start(name="nightly") is None
    assert schedules_look() == 0

    slot = ScheduleSlot.objects.get()
    assert (slot.started_id, slot.code) == (None, "endpoint_retired")
    assert "retired" in slot.detail
    assert not BatchJob.objects.exists()


def test_without_a_champion_a_slot_starts_nothing(flow: Endpoint) -> None:
    made(flow)
    long_known()
    Deployment.objects.update(ended_at=datetime.datetime.now(datetime.UTC))

    schedules_look()

    assert ScheduleSlot.objects.get().code == "model_unavailable"


def test_a_due_retraining_waits_for_the_one_before_it(flow: Endpoint) -> None:
    made(flow, LINE)
    long_known()
    earlier = TrainingRun.objects.create(endpoint=flow, algorithm="line", policy="approve", slot="by hand")

    assert schedule_start(name="nightly") is None
    assert not ScheduleSlot.objects.exists()
    TrainingRun.objects.filter(pk=earlier.pk).update(state=TrainingRun.State.FAILED)
    assert schedules_look() == 1

    run = TrainingRun.objects.get(schedule="nightly")
    slot = ScheduleSlot.objects.get()
    assert (run.state, run.algorithm, run.reason, run.created_by) == ("queued", "line", "seasons", "schedule:nightly")
    assert run.feedback_since == slot.due_at - datetime.timedelta(hours=48)
    assert slot.started_id == run.pk


def test_a_message_from_a_clock_that_runs_ahead_starts_the_slot_that_is_meant(flow: Endpoint) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    made(flow, crontab=f"{soon.minute} {soon.hour} * * *")

    assert schedule_start(name="nightly", early_s=30) is None
    assert schedule_start(name="nightly", early_s=301) is not None


def test_many_who_start_at_once_start_one(flow: Endpoint, dsn: str) -> None:
    made(flow)
    long_known()
    together = threading.Barrier(6)
    started: list[Any] = []

    def start() -> None:
        try:
            together.wait()
            started.append(schedule_start(name="nightly") if len(started) % 2 else schedules_look())
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(bool(one) for one in started) == 1
    with psycopg.connect(dsn) as reader:
        assert reader.execute("SELECT count(*) FROM jobs_batchjob").fetchone() == (1,)


def test_one_schedule_that_can_not_be_read_does_not_hold_up_the_others(flow: Endpoint) -> None:
    made(flow, name="a")
    made(flow, name="b")
    long_known("a")
    long_known("b")
    PeriodicTask.objects.filter(name="a").update(kwargs="{}")

    assert schedules_look() == 1
    assert BatchJob.objects.get().schedule == "b"
