"""Reading a batch job's input, once: it is cut into pieces that lie in the storage by themselves, a chunk each."""

import datetime
import errno
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Now

from inference.engine.errors import ForetellError
from inference.engine.signature import Signature
from jobs import files, storage
from jobs.errors import InputRefused, LeaseLost, NoRows, StorageFull, StorageUnavailable
from jobs.leases import MOST_ATTEMPTS, POISON, Heartbeat, Lease, claim, claimable, held
from jobs.models import BatchJob, Chunk
from jobs.replay import query
from jobs.replay.query import Selection
from jobs.wakeups import BATCH, wake

CHUNK_ROWS = 10_000
CHUNK_CELLS = 500_000
CHUNK_BYTES = 8 * 1024 * 1024
"""The most that a chunk holds of each: what one worker does in seconds and keeps in memory."""

MOST_WOKEN = 16
"""How many other workers are asked to help with a job that has just been read."""

SETTLED = datetime.timedelta(seconds=5)
"""After so long predictions are committed, and a web process's clock that is a little behind has passed the time."""

State = BatchJob.State
logger = structlog.get_logger(__name__)


def folder(job: BatchJob) -> str:
    """Where everything that belongs to a job lies in the storage `uploads`."""
    return f"jobs/{job.pk}"


def unread() -> QuerySet[BatchJob]:
    """Jobs whose input is to be read, the oldest first; some may be held by a reader.

    One of a schedule, which may be started ahead of its slot, waits until all of its predictions are stored. People's
    queries take what there is.
    """
    waiting = BatchJob.objects.filter(state__in=[State.QUEUED, State.READING], attempts__lt=MOST_ATTEMPTS)
    until = Cast(KT("selection__until"), DateTimeField())
    ended = Q(schedule="") | Q(kind=BatchJob.Kind.UPLOAD) | Q(until__lt=Now() - SETTLED)
    return waiting.alias(until=until).filter(ended).order_by("pk")


def claim_unread(*, besides: Sequence[UUID] = ()) -> Lease | None:
    """Hold the next job to read, if there is one besides these."""
    return claim(unread().exclude(pk__in=besides), state=State.READING, started_at=Coalesce("started_at", Now()))


def read(lease: Lease) -> None:
    """Read a job's input and make its chunks. What can't be read ends the job, with the code and the place.

    Raises:
        LeaseLost: somebody else reads it now, or it was cancelled; nothing of this reading counts.
    """
    job = BatchJob.objects.select_related("version", "endpoint").get(pk=lease.id)
    place = f"{folder(job)}/{lease.token}"
    with held(lease) as heartbeat:
        try:
            if job.kind == BatchJob.Kind.QUERY and not job.file:
                _freeze(lease, job, heartbeat)
            chunks = list(_pieces(job, place, heartbeat))
            _finish(lease, job, chunks)
        except StorageFull as error:
            storage.discard(place)
            lease.release(state=State.PAUSED, attempts=0, **_reason(error))
            logger.warning("a batch job waits for room in the storage", job=str(job.pk))
            return
        except LeaseLost:
            storage.discard(place)
            raise
        except ForetellError as error:
            if error.retryable:
                raise
            storage.discard(place)
            lease.release(state=State.FAILED, finished_at=Now(), **_reason(error))
            logger.info("a batch job can't be read", job=str(job.pk), code=error.code)
            return
    logger.info("a batch job was read", job=str(job.pk), rows=sum(chunk.rows for chunk in chunks), chunks=len(chunks))
    _tidy(job, lease.token)


def give_back(lease: Lease, counted: bool) -> None:
    """Let somebody else read the job; the attempt counts unless it was not the job's fault.

    Raises:
        LeaseLost: as `read`.
    """
    back = lease.release if counted else lease.forgo
    back(state=_unread())


def refuse(lease: Lease, _: StorageUnavailable) -> None:
    """Let a job rest whose input the storage does not give, or whose pieces it does not take; and fail it in the end.

    Raises:
        LeaseLost: as `read`.
    """
    if lease.attempt < MOST_ATTEMPTS:
        lease.rest(state=_unread())
        return
    error = InputRefused()
    lease.release(state=State.FAILED, finished_at=Now(), **_reason(error))
    logger.info("a batch job can't be read", job=str(lease.id), code=error.code)


def give_up() -> int:
    """End jobs whose reading ended its worker too often; how many there were."""
    given_up = BatchJob.objects.filter(
        claimable(), state__in=[State.QUEUED, State.READING], attempts__gte=MOST_ATTEMPTS
    )
    return given_up.update(
        state=State.FAILED,
        finished_at=Now(),
        code=POISON,
        detail=f"Reading this input failed or ended its worker, {MOST_ATTEMPTS} times: the workers' logs say how.",
        token=F("token") + 1,
        leased_until=None,
    )


def _freeze(lease: Lease, job: BatchJob, heartbeat: Heartbeat) -> None:
    """Write a query's predictions down as the job's input: it is read from there, also if it is read again."""
    signature = Signature.from_dict(job.version.manifest["signature"])
    selection = Selection.from_dict(job.selection)
    name = _frozen(job, lease.token)
    # Without a name, so that nothing of it stays behind a worker that is killed.
    with tempfile.TemporaryFile() as file, _room_needed():
        made = query.freeze(
            endpoint=job.endpoint, selection=selection, signature=signature, into=file, check=heartbeat.check
        )
        storage.put(name, file)
    job.file, job.file_bytes, job.file_sha256 = name, made.bytes, made.sha256
    job.carried = list(query.carried(signature))
    job.columns = [*signature.names, *job.carried]
    known = ("file", "file_bytes", "file_sha256", "carried", "columns")
    try:
        lease.update(**{field: getattr(job, field) for field in known})
    except LeaseLost:
        storage.discard(name)
        raise


def _frozen(job: BatchJob, token: int) -> str:
    """Where a query's input is: by the token, since one thought dead must not write over what his successor reads."""
    return f"{folder(job)}/input-{token}"


def _pieces(job: BatchJob, place: str, heartbeat: Heartbeat) -> Iterator[Chunk]:
    """Put the input's pieces into the storage, and say the chunk of each."""
    header = files.Header(columns=tuple(job.columns))
    most_rows = max(1, min(CHUNK_ROWS, CHUNK_CELLS // len(header.columns)))
    with storage.open(job.file) as source:
        pieces = files.split(source, job.format, header, most_rows=most_rows, most_bytes=CHUNK_BYTES)
        for number, piece in enumerate(pieces):
            heartbeat.check()
            name = f"{place}/{number}"
            storage.put(name, piece.data)
            yield Chunk(job=job, number=number, first_row=piece.first_row, rows=piece.rows, file=name)


def _finish(lease: Lease, job: BatchJob, chunks: list[Chunk]) -> None:
    """Let the chunks count and the work begin, unless the job was paused meanwhile."""
    if not chunks:
        raise NoRows()
    paused = When(state=State.PAUSED, then=Value(State.PAUSED))
    with transaction.atomic():
        rows = sum(chunk.rows for chunk in chunks)
        lease.release(state=Case(paused, default=Value(State.RUNNING)), rows=rows, code="", detail="")
        Chunk.objects.bulk_create(chunks, batch_size=1000)
        # This worker goes on with the first by itself.
        wake(BATCH, times=min(len(chunks) - 1, MOST_WOKEN))


def _tidy(job: BatchJob, token: int) -> None:
    """Drop the input, whose pieces say the same, and what earlier readings left."""
    storage.discard(job.file)
    for earlier in range(1, token):
        storage.discard(f"{folder(job)}/{earlier}")
        storage.discard(_frozen(job, earlier))


def _unread() -> Case:
    """The state of a job whose input is to be read by somebody else."""
    return Case(When(state=State.PAUSED, then=Value(State.PAUSED)), default=Value(State.QUEUED))


def _reason(error: ForetellError) -> dict[str, Any]:
    return {"code": error.code, "detail": str(error)}


@contextmanager
def _room_needed() -> Iterator[None]:
    """What a full temporary folder raises, as what a full storage does."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise
