"""One batch job: how far it is, what it is, what may be done with it, and its results to take along."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from channels.db import database_sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header

from inference.engine.errors import ForetellError
from inference.permissions import RUN_BATCH, SEE_BATCHES
from jobs import files, phrases
from jobs.admin.batches import Shown
from jobs.admin.pages import ELSES, JobsPage, job_get, may_run
from jobs.batch.downloads import LONGEST_REST_S, download
from jobs.models import BatchJob
from jobs.replay.query import MOST_ROWS, Selection
from jobs.selectors import Progress, batch_progress, batch_results
from jobs.services import batch_job_cancel, batch_job_pause, batch_job_resume, batch_job_retry
from jobs.watch import job_mark

A_PAGE = 50
State = BatchJob.State
_OPEN = (State.QUEUED, State.READING, State.RUNNING)
_OVER = (State.DONE, State.FAILED, State.CANCELLED)
_NAMES = {"csv": "CSV", "ndjson": "NDJSON", "parquet": "Parquet"}

ACTIONS: dict[str, tuple[Callable[..., BatchJob], str]] = {
    "pause": (batch_job_pause, "It is paused. Chunks that workers are at are finished."),
    "resume": (batch_job_resume, "It goes on."),
    "cancel": (batch_job_cancel, "It is cancelled. What it has so far stays."),
    "retry": (batch_job_retry, "Its failed rows are tried again."),
}
"""What may be done with a job: by which service, and what is said then."""


QUESTIONS = {
    "cancel": "Cancel this job? It can't go on afterwards. The results so far stay.",
    "retry": "Try the failed rows again? What they came to is replaced.",
}
"""What is asked before something is done."""


class JobView(JobsPage):
    """One batch job."""

    needs = {"GET": SEE_BATCHES}

    def get(self, request: HttpRequest, id: uuid.UUID) -> HttpResponse:
        """Show it."""
        job = job_get(id)
        progress = batch_progress(job=job)
        shown = Shown(job, progress)
        code, after = request.GET.get("code", ""), _number(request.GET.get("after", ""))
        rows = []
        if progress.errors and job.expired_at is None:
            rows = batch_results(job=job, after=after, limit=A_PAGE + 1, status="error", code=code)
        return self.show(
            "job.html",
            title=f"Batch job: {shown.name}",
            socket=f"job={job.pk}",
            one=shown,
            mark=job_mark(job, errors=bool(progress.errors)),
            codes=[(name, f"{count:,}") for name, count in progress.errors.items()],
            chosen=code,
            errors=rows[:A_PAGE],
            after=after,
            more=rows[A_PAGE - 1].row if len(rows) > A_PAGE else None,
            downloads=[(name, _NAMES[name]) for name in files.FORMATS] if _has_results(job) else [],
            actions=_actions(job, progress) if may_run(request, RUN_BATCH, job.endpoint) else [],
            facts=_facts(job),
        )


class ActView(JobsPage):
    """Pauses a job, goes on with it, ends it, or tries again what failed."""

    needs = {"POST": RUN_BATCH}

    def post(self, request: HttpRequest, id: uuid.UUID, action: str) -> HttpResponse:
        """Do it, and go back to the job's page.

        Raises:
            Http404: there is no such thing to do.
            PermissionDenied: the endpoint is somebody else's.
        """
        if action not in ACTIONS:
            raise Http404
        job = job_get(id)
        if not may_run(request, RUN_BATCH, job.endpoint):
            raise PermissionDenied(ELSES)
        back = reverse("jobs:job", args=[job.pk])
        if page := self.asked_first(QUESTIONS.get(action, ""), title="Are you sure?", back=back):
            return page
        act, said = ACTIONS[action]
        try:
            act(job=job, actor=request.user.get_username())
        except ForetellError as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(back)


class DownloadView(JobsPage):
    """A job's results beside their input, as a file."""

    needs = {"GET": SEE_BATCHES}

    def get(self, request: HttpRequest, id: uuid.UUID, format: str) -> StreamingHttpResponse:
        """Send it, piece by piece.

        Raises:
            Http404: the format is not known, or the results are not whole yet, or are gone.
        """
        job = job_get(id)
        if format not in files.FORMATS or not _has_results(job):
            raise Http404
        made = download(job=job, format=format)
        return StreamingHttpResponse(
            _sent(made.pieces),
            content_type=made.media_type,
            headers={
                "Content-Disposition": content_disposition_header(as_attachment=True, filename=made.name) or "",
                "Cache-Control": "no-store",
            },
        )


async def _sent(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces, each made in a thread when the last one has been taken. Django would gather a plain iterator first."""
    next_one = database_sync_to_async(partial(next, pieces, None), thread_sensitive=False)
    began_s = time.monotonic()
    while (piece := await next_one()) is not None:
        rest_s = min(time.monotonic() - began_s, LONGEST_REST_S)
        yield piece
        await asyncio.sleep(rest_s)
        began_s = time.monotonic()


def _has_results(job: BatchJob) -> bool:
    """Whether nothing will be added to a job's results, and they are still there."""
    return job.state in _OVER and job.rows is not None and job.expired_at is None


def _actions(job: BatchJob, progress: Progress) -> list[tuple[str, str, str, bool]]:
    """What may be done now: its name, what the button says, what is asked first, and whether it is for good."""
    may = []
    if job.state in _OPEN:
        may.append(("pause", "Pause", False))
    if job.state == State.PAUSED:
        may.append(("resume", "Go on", False))
    if job.state in (*_OPEN, State.PAUSED):
        may.append(("cancel", "Cancel", True))
    if job.state in (State.DONE, State.FAILED) and not job.expired_at and (progress.errors or job.code):
        may.append(("retry", "Try failed rows again", False))
    return [(action, said, QUESTIONS.get(action, ""), for_good) for action, said, for_good in may]


def _facts(job: BatchJob) -> list[tuple[str, Any]]:
    """What else is known of its input."""
    facts: list[tuple[str, Any]] = []
    if job.selection:
        said = Selection.from_dict(job.selection)
        facts += [("From (UTC)", f"{said.since:%Y-%m-%d %H:%M}"), ("Until (UTC)", f"{said.until:%Y-%m-%d %H:%M}")]
        facts += [
            (name, value) for name, value in (("Device", said.device), ("Answered then by", said.version)) if value
        ]
        if said.limit < MOST_ROWS:
            facts.append(("The latest", f"{said.limit:,} row{'' if said.limit == 1 else 's'} at most"))
    else:
        facts.append(("Format", job.get_format_display()))
    if job.file_bytes:
        facts.append(("Size", phrases.size_said(job.file_bytes)))
    if job.carried and not job.selection:
        facts.append(("Taken along", ", ".join(job.carried)))
    if job.schedule:
        facts.append(("Schedule", f"{job.schedule}, {job.slot}"))
    return facts


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
