"""What is kept no longer: results of old jobs, lines of old runs, and objects in the storage that belong to nothing.

Every part may be interrupted, and done again at any time and in several places at once.
"""

import datetime
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypedDict

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from inference import ids
from jobs import storage
from jobs.errors import InputLost, JobState, StorageRefused
from jobs.models import BatchJob, Result, RunLine, ScheduleSlot, TrainingRun
from jobs.services.batch import OVER, batch_job_expire
from jobs.training.steps import DATA, RUNS

INCOMING, JOBS = "incoming", "jobs"
ORPHAN_AGE = datetime.timedelta(days=1)
"""An upload may have come a while before its job's row: what is younger is left alone."""
_OPEN_RUNS = (TrainingRun.State.QUEUED, TrainingRun.State.RUNNING)
_DELETED_AT_ONCE = 10_000
_REFUSED = (StorageRefused, PermissionError)

logger = structlog.get_logger(__name__)


class Removed(TypedDict):
    """How many jobs lost their results, how many lines, slots and orphaned objects are gone."""

    jobs: int
    lines: int
    slots: int
    orphans: int


def retention_apply(*, days: int) -> Removed:
    """Remove what is over for longer than some days. Rows of jobs, runs and their counts stay.

    Objects that the storage does not let go keep nothing else: they are told in one line, and tried again next time.

    Raises:
        StorageUnavailable: the bucket can't be reached.
    """
    before = timezone.now() - datetime.timedelta(days=days)
    kept: list[str] = []
    removed = Removed(jobs=_jobs(before), lines=_lines(before), slots=_slots(), orphans=_orphans(before, kept))
    logger.info("retention", **removed)
    if kept:
        logger.warning("the storage keeps what was to be removed", objects=len(kept), first=kept[0])
    return removed


def _jobs(before: datetime.datetime) -> int:
    count = 0
    old = Q(finished_at__lt=before, expired_at=None)
    # Of a job whose removal was interrupted the results would stay for good.
    half_gone = Q(Exists(Result.objects.filter(job=OuterRef("pk"))), expired_at__isnull=False)
    for job in BatchJob.objects.filter(old | half_gone, state__in=OVER).defer("report").order_by("pk"):
        try:
            # What the storage keeps of it belongs to nothing from now on.
            with suppress(*_REFUSED):
                batch_job_expire(job=job)
            count += 1
        except JobState:
            logger.info("a job that was to expire is worked on again", job=str(job.pk))
    return count


def _lines(before: datetime.datetime) -> int:
    old = RunLine.objects.filter(at__lt=before).exclude(run__state__in=_OPEN_RUNS).order_by("pk")
    count = 0
    while chosen := list(old.values_list("pk", flat=True)[:_DELETED_AT_ONCE]):
        count += RunLine.objects.filter(pk__in=chosen).delete()[0]
    return count


def _slots() -> int:
    """Slots as old as the oldest prediction; each schedule's latest stays, since it says what was done already."""
    before = timezone.now() - datetime.timedelta(days=settings.RETENTION_DAYS)
    later = ScheduleSlot.objects.filter(schedule=OuterRef("schedule"), due_at__gt=OuterRef("due_at"))
    return ScheduleSlot.objects.filter(Exists(later), due_at__lt=before).delete()[0]


def _orphans(before: datetime.datetime, kept: list[str]) -> int:
    names = [*_uploads(), *_folders_of_jobs(), *_folders_of_runs(), *_data(before)]
    for name in names:
        try:
            storage.drop(name)
        except _REFUSED as error:
            kept.append(f"{name}: {getattr(error, 'reason', '') or type(error).__name__}")
    return len(names) - len(kept)


def _uploads() -> Iterator[str]:
    """Uploads that are no job's, or one's whose results were removed meanwhile."""
    names = list(_old_objects(INCOMING, timezone.now() - ORPHAN_AGE))
    known = set(BatchJob.objects.filter(file__in=names, expired_at=None).values_list("file", flat=True))
    yield from (name for name in names if name not in known)


def _folders_of_jobs() -> Iterator[str]:
    """Folders of jobs that are not there, or whose results were removed meanwhile."""
    yield from _unknown(JOBS, BatchJob.objects.filter(expired_at=None))


def _folders_of_runs() -> Iterator[str]:
    """What runs put aside between two steps, once they are over or not there."""
    yield from _unknown(RUNS, TrainingRun.objects.filter(state__in=_OPEN_RUNS))


def _unknown(folder: str, rows: QuerySet[Any]) -> Iterator[str]:
    """Old enough folders in a folder that have the id of none of the rows."""
    found = list(_old_folders(folder))
    known = set(rows.filter(pk__in=found).values_list("pk", flat=True))
    yield from (f"{folder}/{id_}" for id_ in found if id_ not in known)


def _data(before: datetime.datetime) -> Iterator[str]:
    """Frozen training data that no version was made from, and no run of late."""
    needed = Q(candidate__isnull=False) | Q(state__in=_OPEN_RUNS) | Q(finished_at__gte=before)
    for name in _old_objects(DATA, timezone.now() - ORPHAN_AGE):
        if not TrainingRun.objects.filter(needed, data__file=name).exists():
            yield name


def _old_objects(folder: str, before: datetime.datetime) -> Iterator[str]:
    for name in storage.listed(folder)[1]:
        place = f"{folder}/{name}"
        try:
            old = storage.changed_at(place) < before
        except (InputLost, *_REFUSED):
            continue
        if old:
            yield place


def _old_folders(folder: str) -> Iterator[uuid.UUID]:
    """Ids that name a folder in a folder, and were made long enough ago."""
    before = timezone.now() - ORPHAN_AGE
    for name in storage.listed(folder)[0]:
        try:
            id_ = uuid.UUID(name)
        except ValueError:
            continue
        if ids.time_of(id_) < before:
            yield id_
