"""Schedules: made, changed and taken away by people and programs, and started when they are due."""

import datetime

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from inference.errors import AlreadyExists, EndpointRetired, NotFound
from inference.models import SLUG, Endpoint, Version
from inference.selectors import version_get
from inference.services import control_log_write
from jobs.errors import BadSchedule
from jobs.replay.query import MOST_ROWS
from jobs.schedules import rows as schedules
from jobs.schedules import slots
from jobs.schedules.rows import TASK, BatchPlan, Kept, Plan, RetrainingPlan, Schedule, schedule_get
from jobs.schedules.standing import SCHEDULE

LEAST_RETRAINING_MINUTES = 5
MOST_HOURS = 400 * 24
MOST_REASON = 1000
_EXPIRES_S = 600
"""A message that waited for longer has been overtaken by a look at all schedules."""
_DROP_UNUSED = """
DELETE FROM django_celery_beat_crontabschedule AS times WHERE id = %s
   AND NOT EXISTS (SELECT 1 FROM django_celery_beat_periodictask WHERE crontab_id = times.id)
"""


@transaction.atomic
def schedule_create(
    *, name: str, endpoint: Endpoint, plan: Plan, crontab: str, actor: str, zone: str = "UTC", enabled: bool = True
) -> Schedule:
    """Make a schedule. Its first slot is the first one that is due from now on.

    Args:
        name: 1 to 64 of a-z, 0-9, `_`, `.` and `-`; unlike any other schedule's.
        crontab: five fields, as `slots.parse` reads them.
        actor: who does it, for the control log.
        zone: the IANA name of the time zone the fields are meant in.

    Raises:
        BadSchedule: the name, the times or the plan can't be; or a retraining would start more often than every 5
            minutes.
        AlreadyExists: there is a schedule of that name, also one of beat's own.
        EndpointRetired, UnknownVersion: what the plan names can't be used.
    """
    _check_name(name)
    _check_plan(endpoint, plan)
    when = _checked_times(crontab, zone, plan)
    _take_turn()
    if _is_beats(name) or PeriodicTask.objects.filter(name=name).exists():
        raise AlreadyExists(f"Schedule {name!r}", "Choose another name, or change that one.")
    said = Kept(schedule=name, endpoint=endpoint.slug, plan=plan, since=_now(), created_by=actor)
    row = PeriodicTask(name=name, task=TASK, enabled=enabled, crontab=_row_of(when), expire_seconds=_EXPIRES_S)
    row.kwargs = said.text()
    row.save()
    made = schedule_get(name=name)
    control_log_write(actor=actor, action="schedule.create", target=row, after=_shown(made), reason=_reason(plan))
    return made


@transaction.atomic
def schedule_change(
    *,
    schedule: Schedule,
    actor: str,
    plan: Plan | None = None,
    crontab: str | None = None,
    zone: str | None = None,
    enabled: bool | None = None,
) -> Schedule:
    """Change a schedule; what is None stays. Under other times, and when it is enabled again, it begins anew from now.

    Raises:
        BadSchedule, EndpointRetired, UnknownVersion: as `schedule_create`; or the plan is of another kind.
        NotFound: it is gone by now.
    """
    _take_turn()
    row = _locked(schedule.name)
    before, said, times = schedule_get(name=row.name), schedules.kept(row), row.crontab
    if plan is not None and type(plan) is not type(said.plan):
        raise BadSchedule(f"Schedule {row.name!r} is of the kind {before.kind}, which stays. Make another one.")
    if plan is not None:
        _check_plan(schedules.endpoint_of(said), plan)
    when = _checked_times(
        before.crontab if crontab is None else crontab, before.zone if zone is None else zone, said.plan
    )
    begins = when != schedules.crontab_of(row) or (enabled is True and not row.enabled)
    row.crontab = _row_of(when)
    row.enabled = row.enabled if enabled is None else enabled
    since = _now() if begins else said.since
    row.kwargs = Kept(
        schedule=row.name, endpoint=said.endpoint, plan=plan or said.plan, since=since, created_by=said.created_by
    ).text()
    row.save()
    _drop_unused(times)
    after = schedule_get(name=row.name)
    changed = {name for name, value in _shown(after).items() if _shown(before)[name] != value}
    if changed:
        control_log_write(
            actor=actor,
            action="schedule.change",
            target=row,
            before={name: _shown(before)[name] for name in changed},
            after={name: _shown(after)[name] for name in changed},
        )
    return after


@transaction.atomic
def schedule_delete(*, schedule: Schedule, actor: str) -> None:
    """Take a schedule away. What it started stays.

    Raises:
        NotFound: it is gone already.
    """
    _take_turn()
    row = _locked(schedule.name)
    control_log_write(actor=actor, action="schedule.delete", target=row, before=_shown(schedule))
    row.delete()
    _drop_unused(row.crontab)


def _take_turn() -> None:
    """Wait until nobody else makes, changes or takes away a schedule: two of them may share one row of times."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('foretell schedules'))")


def _drop_unused(times: CrontabSchedule) -> None:
    """Remove beat's row of some times unless a schedule still has them, beat's own ones included.

    By a statement of our own: Django's deletion would take schedules along that came to have them meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DROP_UNUSED, [times.pk])


def _locked(name: str) -> PeriodicTask:
    row = schedules.rows().select_for_update(of=("self",)).filter(name=name).first()
    if row is None:
        raise NotFound(f"Schedule {name!r}")
    return row


def _check_name(name: str) -> None:
    try:
        SLUG(name)
    except ValidationError as error:
        raise BadSchedule(f"A schedule's name: {error.messages[0]} It is {name[:40]!r}.") from None


def _is_beats(name: str) -> bool:
    """Whether beat writes a schedule of its own under that name, in place of what is there."""
    return name in SCHEDULE or name.startswith("celery.")


def _check_plan(endpoint: Endpoint, plan: Plan) -> None:
    if endpoint.retired_at is not None:
        raise EndpointRetired(endpoint.slug)
    if isinstance(plan, BatchPlan):
        _check_number("hours", plan.hours, MOST_HOURS)
        _check_number("limit", plan.limit, MOST_ROWS)
        if plan.version is not None:
            version_get(endpoint=endpoint, tag=plan.version)
        return
    if len(plan.reason) > MOST_REASON:
        raise BadSchedule(f"`reason` has at most {MOST_REASON:,} characters; it has {len(plan.reason):,}.")
    if plan.feedback_hours is not None:
        _check_number("feedback_hours", plan.feedback_hours, MOST_HOURS)
    fitting = Version.objects.filter(endpoint=endpoint, signature_digest=endpoint.signature_digest)
    known = sorted(fitting.order_by().values_list("algorithm", flat=True).distinct())
    if plan.algorithm not in known:
        raise BadSchedule(f"`algorithm` is one of {', '.join(known) or 'none'}; it is {plan.algorithm[:64]!r}.")


def _check_number(name: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise BadSchedule(f"`{name}` is 1 to {most:,}; it is {number:,}.")


def _checked_times(crontab: str, zone: str, plan: Plan) -> slots.Crontab:
    when = slots.parse(crontab, zone)
    if isinstance(plan, RetrainingPlan) and when.shortest_gap_minutes < LEAST_RETRAINING_MINUTES:
        raise BadSchedule(
            f"A retraining starts every {LEAST_RETRAINING_MINUTES} minutes at most; {when.text!r} is due"
            f" {when.shortest_gap_minutes} minutes after it was."
        )
    return when


def _row_of(when: slots.Crontab) -> CrontabSchedule:
    """Beat's row of these times; one that is there is used again."""
    minute, hour, day, month, weekday = when.text.split()
    row = CrontabSchedule(
        minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday, timezone=when.zone
    )
    same = {name: getattr(row, name) for name in ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")}
    found = CrontabSchedule.objects.filter(timezone=when.zone, **same).first()
    if found is not None:
        return found
    try:
        row.full_clean()
    except ValidationError as error:
        raise BadSchedule(f"{when.text!r} in {when.zone.key} is refused: {' '.join(error.messages)}") from None
    row.save()
    return row


def _shown(schedule: Schedule) -> dict[str, object]:
    """A schedule in the control log."""
    plan = {name: getattr(schedule.plan, name) for name in schedule.plan.__struct_fields__}
    times = {"crontab": schedule.crontab, "zone": schedule.zone, "enabled": schedule.enabled}
    return {"kind": schedule.kind, "endpoint": schedule.endpoint, **times, **plan}


def _reason(plan: Plan) -> str:
    return plan.reason if isinstance(plan, RetrainingPlan) else ""


def _now() -> datetime.datetime:
    """Postgres's clock, which all workers share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime.datetime = cursor.fetchone()[0]
    return now
