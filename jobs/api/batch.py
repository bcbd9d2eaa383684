"""Batch jobs over REST: asked for with a file or a query, looked at, paused, resumed, cancelled, tried again."""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from inference.callers import Caller
from inference.http import media
from inference.http.replies import Reply
from inference.http.requests import Request
from inference.http.views import ExpressView
from jobs import services
from jobs.api import schema
from jobs.api.access import actor, job_of
from jobs.api.bodies import fields_of
from jobs.api.database import ask
from jobs.api.intake import MEDIA_TYPES, file_taken, query_taken
from jobs.api.lists import PARAMETERS, listed
from jobs.api.shown import job_shown
from jobs.models import BatchJob
from jobs.selectors import batch_job_list, batch_progress

CREATED = 201


class BatchJobsView(ExpressView):
    """The batch jobs of the credential's endpoints."""

    scopes = ("jobs",)
    accepted = (*MEDIA_TYPES, media.ACCEPTED)

    def parameters_of(self, method: str) -> tuple[str, ...]:
        """A list is narrowed, an upload is described."""
        return ("endpoint", "version", "carry", "name") if method == "POST" else PARAMETERS

    @schema.batch_list
    async def get(self, request: Request) -> bytes:
        """List them, the newest first."""
        return await listed(request, "jobs", batch_job_list(), BatchJob.State.values, job_shown)

    @schema.batch_create
    async def post(self, request: Request) -> Reply:
        """Take a file or a query, and answer once the job is committed."""
        taken = await (query_taken(request) if request.media_type == media.ACCEPTED else file_taken(request))
        return Reply(
            body=msgspec.json.encode(await ask(request, _described, taken.job)),
            status=CREATED if taken.new else 200,
            headers=((b"location", f"/api/v1/jobs/batch/{taken.job.pk}/".encode()),),
        )


class BatchJobView(ExpressView):
    """One batch job."""

    scopes = ("jobs",)

    @schema.batch_detail
    async def get(self, request: Request, id: str) -> bytes:
        """How far it is."""
        return msgspec.json.encode(await ask(request, lambda: _described(job_of(request.auth, id))))


class _ActionView(ExpressView):
    """What changes a batch job's state."""

    scopes = ("jobs",)
    needs_body = False
    change: ClassVar[Callable[..., BatchJob]]

    async def _changed(self, request: Request, id: str) -> bytes:
        fields_of(await request.body(), optional=True)
        return msgspec.json.encode(await ask(request, self._change, request.auth, id))

    @classmethod
    def _change(cls, caller: Caller, id: str) -> dict[str, Any]:
        job = cls.change(job=job_of(caller, id), actor=actor(caller))
        return _described(job)


class BatchPauseView(_ActionView):
    """Work on a batch job stops after the chunks that are being worked on."""

    change = staticmethod(services.batch_job_pause)

    @schema.batch_pause
    async def post(self, request: Request, id: str) -> bytes:
        """Pause it."""
        return await self._changed(request, id)


class BatchResumeView(_ActionView):
    """A paused batch job goes on."""

    change = staticmethod(services.batch_job_resume)

    @schema.batch_resume
    async def post(self, request: Request, id: str) -> bytes:
        """Resume it."""
        return await self._changed(request, id)


class BatchCancelView(_ActionView):
    """A batch job ends where it is."""

    change = staticmethod(services.batch_job_cancel)

    @schema.batch_cancel
    async def post(self, request: Request, id: str) -> bytes:
        """Cancel it."""
        return await self._changed(request, id)


class BatchRetryView(_ActionView):
    """Rows that ended with an error are worked on again."""

    change = staticmethod(services.batch_job_retry)

    @schema.batch_retry
    async def post(self, request: Request, id: str) -> bytes:
        """Try them again."""
        return await self._changed(request, id)


def _described(job: BatchJob) -> dict[str, Any]:
    return job_shown(job, batch_progress(job=job))
