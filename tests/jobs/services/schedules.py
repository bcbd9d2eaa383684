"""Schedules as tests make them."""

import datetime
import time
from typing import Any

from django_celery_beat.models import PeriodicTask

from inference.models import Endpoint
from jobs.schedules.rows import BatchPlan, Kept, RetrainingPlan, Schedule, kept
from jobs.services import schedule_create
from tests.project.children import until

DAY = BatchPlan(hours=24)
HOURLY = "0 * * * *"
LINE = RetrainingPlan(algorithm="line", feedback_hours=48, reason="seasons")
_SLOTS_S, _TEST_S = 300, 10


def made(endpoint: Endpoint, plan: Any = DAY, crontab: str = HOURLY, name: str = "nightly", **said: Any) -> Schedule:
    """A schedule that Ann has made, at a time when none of those for every five minutes comes in the next seconds."""
    until(lambda: time.time() % _SLOTS_S < _SLOTS_S - _TEST_S)
    return schedule_create(name=name, endpoint=endpoint, plan=plan, crontab=crontab, actor="ann", **said)


def long_known(name: str = "nightly") -> None:
    """Let a schedule look as if it had been made ten days ago."""
    row = kept(PeriodicTask.objects.get(name=name))
    said = Kept(**{field: getattr(row, field) for field in Kept.__struct_fields__ if field != "since"}, since=ago(240))
    PeriodicTask.objects.filter(name=name).update(kwargs=said.text())


def ago(hours: float) -> datetime.datetime:
    """The time so many hours ago."""
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
