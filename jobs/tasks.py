"""The Celery tasks. Each says when it is tried again and calls one module that knows no Celery."""

from typing import Any, TypedDict

from celery import shared_task
from django.conf import settings
from django.db import OperationalError

from inference import partitions
from jobs.batch import work as batch
from jobs.errors import StorageUnavailable
from jobs.schedules import rows as schedules
from jobs.services import retention_apply, schedule_start, schedules_look
from jobs.services.retention import Removed
from jobs.services.slots import EARLY_S
from jobs.training import runs
from jobs.wakeups import BATCH, TRAINING, wake
from jobs.workers import sweeper, watchdog, worker


class PartitionsMaintained(TypedDict):
    """What `partitions_maintain` did: the names of partitions, and how many rows have none (at most 1,000 counted)."""

    made: list[str]
    dropped: list[str]
    stray_rows: int


@shared_task(
    name="jobs.partitions_maintain",
    autoretry_for=(OperationalError,),
    retry_backoff=5,
    retry_backoff_max=300,
    max_retries=5,
)
def partitions_maintain() -> PartitionsMaintained:
    """Make the partitions of the coming week, and drop those older than the retention."""
    return PartitionsMaintained(
        made=partitions.ensure(),
        dropped=partitions.expire(settings.RETENTION_DAYS),
        stray_rows=partitions.stray_rows(),
    )


@shared_task(name=BATCH, ignore_result=True)
def batch_work() -> None:
    """Look for batch work and do it for a while; what is left then is for whoever looks next."""
    if batch.work(stopping=worker.stopping):
        wake(BATCH)


@shared_task(name=TRAINING, ignore_result=True)
def training_work() -> None:
    """Look for a training run and take it to its end."""
    runs.work(stopping=worker.stopping)


@shared_task(name="jobs.sweep", ignore_result=True)
def sweep() -> None:
    """Do a round of the sweeper, as the workers' main processes do."""
    sweeper.sweep()


@shared_task(name=schedules.TASK, ignore_result=True)
def schedule_due(schedule: str, **_: Any) -> None:
    """Start what a schedule is due for. What beat sends along besides its name stands in its row too, up to date."""
    schedule_start(name=schedule, early_s=EARLY_S)


@shared_task(name="jobs.schedules_look", ignore_result=True)
def look_at_schedules() -> None:
    """Start what schedules are due for and was not started, because a message was lost or nobody was there."""
    schedules_look()


@shared_task(
    name="jobs.retention_apply",
    autoretry_for=(OperationalError, StorageUnavailable),
    retry_backoff=5,
    retry_backoff_max=300,
    max_retries=5,
)
def apply_retention() -> Removed:
    """Remove what is kept no longer: results of jobs, lines of runs, objects that belong to nothing."""
    return retention_apply(days=settings.JOB_RETENTION_DAYS)


@shared_task(name=watchdog.TASK, ignore_result=True, Strategy="jobs.workers.watchdog:hear")
def canary() -> None:
    """A worker's message to itself: heard by its main process, worked on by nobody."""
