"""Schedules: what is to be started, and when. They are rows of django-celery-beat's table, with a plan each.

Beat knows them by the crontab and sends `jobs.schedule_due`; what that starts stands in the row's `kwargs`.
"""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from inference.engine.eager import eager
from inference.errors import NotFound
from inference.models import Endpoint
from jobs.models import ScheduleSlot
from jobs.replay.query import MOST_ROWS
from jobs.schedules import slots

TASK = "jobs.schedule_due"


class RetrainingPlan(msgspec.Struct, frozen=True, kw_only=True, tag="retraining", tag_field="kind"):
    """A retraining each time.

    Attributes:
        algorithm: of the endpoint.
        feedback_hours: how far back feedback is added to the base data, from when it is due; None for all there is.
        reason: why, for the control log.
    """

    algorithm: str
    feedback_hours: int | None = None
    reason: str = ""


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True, tag="batch", tag_field="kind"):
    """A query over stored predictions each time, with its replay report.

    Attributes:
        hours: how far back, from when it is due.
        version: the tag of the version that answers; None for the champion of then.
        device: only what the device of this name sent; nothing, if there is none of that name.
        limit: the latest so many rows.
    """

    hours: int
    version: str | None = None
    device: str | None = None
    limit: int = MOST_ROWS


Plan = RetrainingPlan | BatchPlan


@eager
class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a row's `kwargs` hold. `since` is when its times began to count: nothing earlier is made up for."""

    schedule: str
    endpoint: str
    plan: Plan
    since: datetime.datetime
    created_by: str

    def text(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it stands.

    `endpoint` is a slug. `next_at` is when it is due next, None while it is disabled or when it never is. `latest` is
    its latest slot that was taken, with what came of it.
    """

    name: str
    endpoint: str
    plan: Plan
    crontab: str
    zone: str
    enabled: bool
    created_by: str
    since: datetime.datetime
    next_at: datetime.datetime | None
    latest: ScheduleSlot | None

    @property
    def kind(self) -> str:
        """`batch` or `retraining`."""
        return "batch" if isinstance(self.plan, BatchPlan) else "retraining"


@dataclass(frozen=True, slots=True)
class SystemSchedule:
    """What beat starts by itself: its name, its task, when, and when it did so last."""

    name: str
    task: str
    when: str
    latest_at: datetime.datetime | None


def schedule_get(*, name: str) -> Schedule:
    """The schedule of that name.

    Raises:
        NotFound: there is none.
    """
    found = list(_read(rows().filter(name=name[:200].replace("\x00", ""))))
    if not found:
        raise NotFound(f"Schedule {name[:64]!r}")
    return found[0]


def schedule_list(*, endpoints: Iterable[str] | None = None) -> list[Schedule]:
    """The schedules by name.

    Args:
        endpoints: slugs; only schedules of these. None for all.
    """
    wanted = None if endpoints is None else frozenset(endpoints)
    return [one for one in _read(rows()) if wanted is None or one.endpoint in wanted]


def system_schedule_list() -> list[SystemSchedule]:
    """What beat starts by itself, by name. Beat writes it from `standing.py` at each of its starts."""
    own = PeriodicTask.objects.exclude(task=TASK).select_related("crontab", "interval").order_by("name")
    return [SystemSchedule(one.name, one.task, _when(one), one.last_run_at) for one in own]


def rows() -> QuerySet[PeriodicTask]:
    """Beat's rows that are schedules in this sense, by name."""
    return PeriodicTask.objects.filter(task=TASK).select_related("crontab").order_by("name")


def kept(row: PeriodicTask) -> Kept:
    """What a row's `kwargs` hold."""
    return msgspec.json.decode(row.kwargs, type=Kept)


def crontab_of(row: PeriodicTask) -> slots.Crontab:
    """When a row is due."""
    return slots.parse(_fields(row.crontab), str(row.crontab.timezone))


def _fields(when: CrontabSchedule) -> str:
    return f"{when.minute} {when.hour} {when.day_of_month} {when.month_of_year} {when.day_of_week}"


def _when(row: PeriodicTask) -> str:
    return str(row.interval) if row.crontab is None else f"{_fields(row.crontab)} {row.crontab.timezone}"


def endpoint_of(said: Kept) -> Endpoint:
    """A schedule's endpoint."""
    return Endpoint.objects.get(slug=said.endpoint)


def _read(found: Iterable[PeriodicTask]) -> Iterator[Schedule]:
    found = list(found)
    # By the index, one each: a schedule of each minute has half a million.
    last = ScheduleSlot.objects.filter(schedule=OuterRef("name")).order_by("-due_at").values("pk")[:1]
    lasts = PeriodicTask.objects.filter(pk__in=[row.pk for row in found]).values_list(Subquery(last))
    latest = {slot.schedule: slot for slot in ScheduleSlot.objects.filter(pk__in=[pk for (pk,) in lasts])}
    now = timezone.now()
    for row in found:
        said, when = kept(row), crontab_of(row)
        coming = slots.following(when, after=now) if row.enabled else None
        yield Schedule(
            name=row.name,
            endpoint=said.endpoint,
            plan=said.plan,
            crontab=when.text,
            zone=when.zone.key,
            enabled=row.enabled,
            created_by=said.created_by,
            since=said.since,
            next_at=coming.due_at if coming else None,
            latest=latest.get(row.name),
        )
