"""Queries of schedules, which are read once all predictions of their hours are stored."""

import datetime

import pytest
from django.utils import timezone

from inference.models import Endpoint
from jobs.batch import reading
from jobs.batch import work as batch
from jobs.models import BatchJob
from jobs.replay.query import Selection
from jobs.services import batch_query_create
from tests.jobs.answered import store

State = BatchJob.State


def asked(flow: Endpoint, until_s: float, schedule: str = "nightly") -> BatchJob:
    """A query over the hour before a moment that is so far from now."""
    until = timezone.now() + datetime.timedelta(seconds=until_s)
    selection = Selection(since=until - datetime.timedelta(hours=1), until=until)
    slot = "2026-11-22T02:30 UTC" if schedule else ""
    return batch_query_create(
        endpoint=flow, version=None, selection=selection, actor="ann", schedule=schedule, slot=slot
    )


@pytest.mark.parametrize("until_s", [25, -1800])
def test_a_query_of_a_schedule_is_not_read_before_its_hours_are_over_and_stored(
    flow: Endpoint, monkeypatch: pytest.MonkeyPatch, until_s: float
) -> None:
    monkeypatch.setattr(reading, "SETTLED", datetime.timedelta(hours=1))
    job = asked(flow, until_s)

    assert batch.work() is False

    job.refresh_from_db()
    assert (job.state, job.attempts, job.started_at) == (State.QUEUED, 0, None)


def test_what_came_before_the_end_of_its_hours_is_in_it(flow: Endpoint) -> None:
    job = asked(flow, 25)
    batch.work()
    store(flow, [[1.0, 2.0]], at=timezone.now() - datetime.timedelta(seconds=10))
    over = Selection.from_dict(job.selection).to_dict() | {"until": (timezone.now() - reading.SETTLED).isoformat()}
    BatchJob.objects.filter(pk=job.pk).update(selection=over)

    batch.work()

    job.refresh_from_db()
    assert (job.state, job.rows) == (State.DONE, 1)


def test_a_query_of_a_person_takes_what_there_is(flow: Endpoint) -> None:
    store(flow, [[1.0, 2.0]], at=timezone.now())
    job = asked(flow, 3000, schedule="")

    batch.work()

    job.refresh_from_db()
    assert (job.state, job.rows) == (State.DONE, 1)
