"""Reads of jobs: how far they are, and what they gave."""

import datetime
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now

from jobs.models import BatchJob, Chunk, Result

RATE_S = 30
"""The window of a running job's rate."""
MOST_RESULTS = 1000

_OVER = (Chunk.State.DONE, Chunk.State.POISON)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch job is.

    Attributes:
        rows: of the input; None until it was read.
        done: rows that ended, as `ok` or as an error; `errors` has how many of the latter by code.
        rows_per_s: of the last `RATE_S` seconds while it runs, over all of its time once it is over; counted from when
            it was last resumed or tried again. None before the first rows, and while it is paused.
        eta_s: when it will be done at that rate; None when that can't be said.
        chunks, poison: how many there are, and how many of them were given up.
    """

    rows: int | None
    done: int
    ok: int
    errors: dict[str, int]
    rows_per_s: float | None
    eta_s: float | None
    chunks: int
    poison: int


def batch_progress(*, job: BatchJob) -> Progress:
    """How far a job is, by what its finished chunks say."""
    over = Q(state__in=_OVER)
    since = job.started_at and max(job.started_at, job.resumed_at or job.started_at)
    # What is done before was done in time that is not counted either: the pause, say, is not the job's.
    stretch = over & Q(finished_at__gt=since) if since else over
    said = job.chunks.aggregate(
        chunks=Count("pk"),
        poison=Count("pk", filter=Q(state=Chunk.State.POISON)),
        done=Coalesce(Sum("rows", filter=over), 0),
        ok=Coalesce(Sum("ok", filter=over), 0),
        stretch=Coalesce(Sum("rows", filter=stretch), 0),
        recent=Coalesce(Sum("rows", filter=stretch & Q(finished_at__gt=Now() - _seconds(RATE_S))), 0),
        last=Max("finished_at", filter=stretch),
        # Times of jobs are Postgres's, so its clock says how much has passed.
        now=Max(Now()),
    )
    errors: Counter[str] = Counter()
    for counts in job.chunks.filter(over).exclude(errors={}).values_list("errors", flat=True):
        errors.update(counts)
    rate = _rate(job, since, said)
    left = (job.rows or 0) - said["done"]
    return Progress(
        rows=job.rows,
        done=said["done"],
        ok=said["ok"],
        errors=dict(sorted(errors.items())),
        rows_per_s=rate,
        eta_s=left / rate if job.state == BatchJob.State.RUNNING and rate else None,
        chunks=said["chunks"],
        poison=said["poison"],
    )


def batch_results(*, job: BatchJob, after: int = 0, limit: int = 100, status: str = "", code: str = "") -> list[Result]:
    """Some of a job's results, in the input's order.

    Args:
        after: the number of the last row that is known already.
        limit: at most so many, up to `MOST_RESULTS`.
        status: `ok` or `error`; empty for both.
        code: only rows that ended with this error.
    """
    found = Result.objects.filter(job=job.pk, row__gt=after).order_by("row")
    if status:
        found = found.filter(error__isnull=status == "ok")
    if code:
        found = found.filter(error=code)
    return list(found[: min(limit, MOST_RESULTS)])


def batch_job_list(*, endpoints: Iterable[int] | None = None, state: str = "") -> QuerySet[BatchJob]:
    """Jobs, the newest first.

    Args:
        endpoints: only jobs of these; None for all.
        state: only jobs in this state.
    """
    jobs = BatchJob.objects.select_related("endpoint", "version").defer(
        "endpoint__signature", "version__manifest", "report"
    )
    if endpoints is not None:
        jobs = jobs.filter(endpoint__in=endpoints)
    if state:
        jobs = jobs.filter(state=state)
    # Said here: a caller that counts by job would lose the order of the model.
    return jobs.order_by("-pk")


def _rate(job: BatchJob, since: datetime.datetime | None, said: dict[str, Any]) -> float | None:
    """Rows a second of the stretch that began then: of late while it runs, on the whole once it is over."""
    if since is None or not said["stretch"]:
        return None
    if job.finished_at is not None:
        # Up to its last rows: it may have been paused for long when it was cancelled.
        return said["stretch"] / _passed_s(since, said["last"])
    return said["recent"] / min(RATE_S, _passed_s(since, said["now"])) if job.state == BatchJob.State.RUNNING else None


def _passed_s(since: datetime.datetime, until: datetime.datetime) -> float:
    return max((until - since).total_seconds(), 0.001)


def _seconds(count: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=count)
