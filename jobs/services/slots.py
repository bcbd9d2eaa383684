"""Slots of schedules: started when they are due, by a message or by a look, each once."""

import datetime

import structlog
from django.db import connection, transaction
from django_celery_beat.models import PeriodicTask

from inference.engine.errors import ForetellError
from inference.errors import EndpointRetired
from inference.selectors import version_get
from jobs.errors import RunInProgress
from jobs.models import BatchJob, ScheduleSlot, TrainingRun
from jobs.replay.query import Selection
from jobs.schedules import rows as schedules
from jobs.schedules import slots
from jobs.schedules.rows import Kept, RetrainingPlan
from jobs.services.queries import batch_query_create
from jobs.services.training import training_run_start

EARLY_S = 30.0
"""How far beat's clock may run ahead of Postgres's."""

logger = structlog.get_logger(__name__)


def schedules_look() -> int:
    """Start what is due and was not started: messages that were lost, and slots of a time when nobody looked.

    Of several missed slots of a schedule only the latest is made up for. Looking twice, or from several processes at
    once, starts nothing twice.

    Returns:
        How many schedules were started.
    """
    now, started = _now(), 0
    for row in schedules.rows().filter(enabled=True):
        try:
            if _untaken(row, now) is not None:
                started += schedule_start(name=row.name) is not None
        except Exception:
            logger.exception("a schedule could not be started; it is tried again", schedule=row.name)
    return started


@transaction.atomic
def schedule_start(*, name: str, early_s: float = 0.0) -> BatchJob | TrainingRun | None:
    """Start what a schedule is due for, unless that was done.

    Args:
        early_s: how long before it is due a slot may be started, for callers with another clock.

    Returns:
        What was started. None when nothing is due, the slot was taken, the schedule is gone or disabled, or it can't
        be started: the slot then says why. A retraining that has to wait for another one is tried again.
    """
    # Without its times, which are read once it is locked: somebody who held it may have given it others.
    row = schedules.rows().select_related(None).select_for_update().filter(name=name, enabled=True).first()
    slot = row and _untaken(row, _now() + datetime.timedelta(seconds=early_s))
    if row is None or slot is None:
        return None
    taken = ScheduleSlot(schedule=name, slot=slot.key, due_at=slot.due_at)
    started: BatchJob | TrainingRun | None = None
    try:
        with transaction.atomic():
            started = _start(schedules.kept(row), slot)
        taken.started_id = started.pk
    except RunInProgress:
        logger.info("a retraining waits for the one before it", schedule=name, slot=slot.key)
        return None
    except ForetellError as error:
        taken.code, taken.detail = error.code, str(error)
        logger.warning("a schedule could not start", schedule=name, slot=slot.key, code=error.code)
    taken.save()
    return started


def _start(said: Kept, slot: slots.Slot) -> BatchJob | TrainingRun:
    endpoint = schedules.endpoint_of(said)
    if endpoint.retired_at is not None:
        raise EndpointRetired(endpoint.slug)
    actor, plan = f"schedule:{said.schedule}", said.plan
    if isinstance(plan, RetrainingPlan):
        since = None if plan.feedback_hours is None else slot.due_at - datetime.timedelta(hours=plan.feedback_hours)
        return training_run_start(
            endpoint=endpoint,
            algorithm=plan.algorithm,
            feedback_since=since,
            reason=plan.reason,
            actor=actor,
            schedule=said.schedule,
            slot=slot.key,
        )
    selection = Selection(
        since=slot.due_at - datetime.timedelta(hours=plan.hours),
        until=slot.due_at,
        device=plan.device,
        limit=plan.limit,
    )
    version = None if plan.version is None else version_get(endpoint=endpoint, tag=plan.version)
    return batch_query_create(
        endpoint=endpoint, version=version, selection=selection, actor=actor, schedule=said.schedule, slot=slot.key
    )


def _untaken(row: PeriodicTask, now: datetime.datetime) -> slots.Slot | None:
    """The slot that is due and was not taken."""
    slot = slots.latest(schedules.crontab_of(row), now=now, since=schedules.kept(row).since)
    if slot is None or ScheduleSlot.objects.filter(schedule=row.name, slot=slot.key).exists():
        return None
    return slot


def _now() -> datetime.datetime:
    """Postgres's clock, which all workers share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime.datetime = cursor.fetchone()[0]
    return now
