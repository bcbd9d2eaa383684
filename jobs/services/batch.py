"""Batch jobs: asked for, paused, resumed, cancelled, tried again, and one day forgotten."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce, Now

from inference.engine.errors import ModelUnavailable
from inference.errors import UnknownEndpoint, UnknownVersion
from inference.models import Deployment, Endpoint, Role, Version
from inference.services import control_log_write
from jobs import storage
from jobs.batch.chunks import job_finish, wait_for_stores
from jobs.batch.reading import folder
from jobs.errors import JobState
from jobs.models import BatchJob, Chunk
from jobs.wakeups import BATCH, wake

EXPIRE_ROWS = 20_000
"""Results deleted by one statement: each is a short transaction."""

State = BatchJob.State
OPEN = (State.QUEUED, State.READING, State.RUNNING, State.PAUSED)
OVER = (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An input that lies in the storage `uploads` under the name `file`, and whose header was looked at.

    `columns` are all of its columns in their order, `carried` those of them that are no inputs.
    """

    file: str
    file_name: str
    format: str
    bytes: int
    sha256: str
    columns: tuple[str, ...]
    carried: tuple[str, ...] = ()


def batch_job_create(
    *,
    endpoint: Endpoint,
    version: Version | None,
    upload: Upload,
    actor: str,
    credential_id: int | None = None,
    user: AbstractBaseUser | None = None,
    schedule: str = "",
    slot: str = "",
) -> BatchJob:
    """Ask for a file's rows to be answered. Workers are woken up behind the commit.

    Args:
        version: which one answers; None for the endpoint's champion of now.
        schedule, slot: of a schedule: which, and when it was due. A second job of one slot is not made.

    Returns:
        The job; of a slot that has one already, that one.

    Raises:
        UnknownEndpoint: the endpoint is retired.
        UnknownVersion: the version is another endpoint's.
        ModelUnavailable: no version was named and none is live.
    """
    return batch_job_ask(
        endpoint=endpoint,
        version=version,
        actor=actor,
        kind=BatchJob.Kind.UPLOAD,
        format=upload.format,
        file=upload.file,
        file_name=upload.file_name[:200],
        file_bytes=upload.bytes,
        file_sha256=upload.sha256,
        columns=list(upload.columns),
        carried=list(upload.carried),
        credential_id=credential_id,
        user=user,
        schedule=schedule,
        slot=slot,
    )


def batch_job_ask(*, endpoint: Endpoint, version: Version | None, actor: str, slot: str, **values: Any) -> BatchJob:
    """Make a job's row, of either kind; see `batch_job_create`."""
    answering = _answering(endpoint, version)
    try:
        with transaction.atomic():
            job = BatchJob.objects.create(
                endpoint=endpoint, version=answering, created_by=actor, slot=slot or uuid.uuid4().hex, **values
            )
            after = {"version": answering.tag, "kind": job.kind, "file": job.file_name or None}
            control_log_write(actor=actor, action="batch_job.create", target=job, after=after)
            wake(BATCH)
    except IntegrityError:
        earlier = BatchJob.objects.filter(schedule=values.get("schedule", ""), slot=slot).first()
        if earlier is None:
            raise
        return earlier
    # With what the database fills in.
    return BatchJob.objects.select_related("endpoint", "version").get(pk=job.pk)


def batch_job_pause(*, job: BatchJob, actor: str) -> BatchJob:
    """Start no further chunk of a job; those that workers are at are finished.

    Raises:
        JobState: it is over, or paused already.
    """
    return _change(job, actor, "paused", (State.QUEUED, State.READING, State.RUNNING), state=State.PAUSED)


def batch_job_resume(*, job: BatchJob, actor: str) -> BatchJob:
    """Go on with a paused job.

    Raises:
        JobState: it is not paused.
    """
    going: dict[str, Any] = {"state": _going_on(), "resumed_at": Now(), "code": "", "detail": ""}
    return _change(job, actor, "resumed", (State.PAUSED,), wakes=True, **going)


def batch_job_cancel(*, job: BatchJob, actor: str) -> BatchJob:
    """End a job. What it has so far stays; what workers are still at does not count any more.

    Raises:
        JobState: it is over.
    """
    # The token: whoever reads its input is no longer its holder.
    fenced: dict[str, Any] = {"token": F("token") + 1, "leased_until": None}
    return _change(job, actor, "cancelled", OPEN, state=State.CANCELLED, finished_at=Now(), **fenced)


def batch_job_retry(*, job: BatchJob, actor: str) -> BatchJob:
    """Work again on the chunks that hold errors or were given up, and on those that a failure left undone.

    Raises:
        JobState: it is not over, or was cancelled, or its results are gone.
    """
    with transaction.atomic():
        # Chunks before the job, as workers lock them.
        again = Q(state=Chunk.State.POISON) | ~Q(errors={}) | Q(state__in=[Chunk.State.WAITING, Chunk.State.RUNNING])
        todo = Chunk.objects.filter(again, job=job.pk).update(
            state=Chunk.State.WAITING, attempts=0, leased_until=None, token=F("token") + 1, finished_at=None
        )
        cleared: dict[str, Any] = {"attempts": 0, "report": None, "finished_at": None, "code": "", "detail": ""}
        # The token: a report of the results so far does not count, however soon the job is done again.
        cleared |= {"token": F("token") + 1, "leased_until": None}
        # With nothing to do its rate stays that of the work there was.
        cleared["resumed_at"] = Now() if todo else Case(When(rows=None, then=Now()), default=F("resumed_at"))
        possible = (State.DONE, State.FAILED)
        _change(job, actor, "tried again", possible, wakes=True, state=_going_on(), **cleared)
        # With nothing to do again it is over as before.
        job_finish(job.pk)
    job.refresh_from_db()
    return job


def batch_job_expire(*, job: BatchJob) -> None:
    """Delete a job's results, input and pieces. The job's row and its counts stay. Again is harmless.

    Raises:
        JobState: it is not over.
    """
    if not BatchJob.objects.filter(pk=job.pk, state__in=OVER).update(expired_at=Coalesce("expired_at", Now())):
        job.refresh_from_db(fields=["state"])
        raise JobState("expired", job.state, OVER)
    while _delete_some(job):
        pass
    storage.drop(folder(job))
    if job.file:
        storage.drop(job.file)
    job.refresh_from_db()


def _answering(endpoint: Endpoint, version: Version | None) -> Version:
    if endpoint.retired_at is not None:
        raise UnknownEndpoint(endpoint.slug)
    if version is not None:
        if version.endpoint_id != endpoint.pk:
            raise UnknownVersion(endpoint.slug, version.tag)
        return version
    live = Deployment.objects.filter(endpoint=endpoint, role=Role.CHAMPION, ended_at=None)
    champion = live.select_related("version").first()
    if champion is None:
        raise ModelUnavailable(endpoint.slug, "no version of it is live")
    return champion.version


def _going_on() -> Case:
    """The state of a job that is worked on again: its input is to be read first, or was."""
    return Case(When(rows=None, then=Value(State.QUEUED)), default=Value(State.RUNNING))


def _change(
    job: BatchJob, actor: str, verb: str, possible: Iterable[str], *, wakes: bool = False, **values: Any
) -> BatchJob:
    """Bring a job into another state if it is in one of the possible ones, and write that down."""
    with transaction.atomic():
        wait_for_stores(job.pk)
        # `no_key`: its chunks, which only refer to it, don't wait.
        now = BatchJob.objects.select_for_update(no_key=True).get(pk=job.pk)
        if now.state not in possible or now.expired_at is not None:
            raise JobState(verb, "expired" if now.expired_at else now.state, possible)
        BatchJob.objects.filter(pk=job.pk).update(**values)
        job.refresh_from_db()
        action = f"batch_job.{_ACTIONS[verb]}"
        control_log_write(
            actor=actor, action=action, target=job, before={"state": now.state}, after={"state": job.state}
        )
        if wakes:
            wake(BATCH)
    return job


_ACTIONS = {"paused": "pause", "resumed": "resume", "cancelled": "cancel", "tried again": "retry"}


def _delete_some(job: BatchJob) -> int:
    """Delete some of a job's results; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_SOME, [job.pk, job.pk, EXPIRE_ROWS])
        return cursor.rowcount


_DELETE_SOME = """
DELETE FROM jobs_result WHERE job_id = %s AND row <= (
    SELECT min(row) FROM jobs_result WHERE job_id = %s
) + %s
"""
