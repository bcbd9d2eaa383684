"""One chunk of a batch job: read its piece, ask the model, and store all results with the chunk's end, or nothing."""

import time
from collections.abc import Iterator, Sequence

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from inference.engine.errors import ArtifactError, ModelUnavailable
from inference.engine.loader import LoadedModel
from inference.selectors import predictions_live
from jobs import files, storage
from jobs.batch.answers import COPY, Answer, Outcome, answers, outcome
from jobs.batch.shelf import loaded
from jobs.errors import InputLost, InputRefused, LeaseLost, StorageUnavailable
from jobs.leases import MOST_ATTEMPTS, POISON, Heartbeat, Lease, claim, claimable, held
from jobs.models import BatchJob, Chunk, Result

_POISONED = (
    "The work on this row and those near it failed or ended its worker, {} times: the workers' logs say how. Try these"
    " rows by themselves."
)
_OPEN = (Chunk.State.WAITING, Chunk.State.RUNNING)
_POISON_RESULTS = """
INSERT INTO jobs_result (job_id, row, error, detail) SELECT %s, row, %s, %s FROM generate_series(%s::int, %s) AS row
"""
# Shared, so that chunks of one job end side by side; whoever cancels the job waits for them, or comes first.
_STILL_WANTED = "SELECT 1 FROM jobs_batchjob WHERE id = %s AND state IN ('running', 'paused') FOR SHARE"
# Row locks that are shared overtake whoever waits to change the row, for as long as there are some. These queue up.
_SIDE_BY_SIDE = "SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))"
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_LIVE_S = 5.0
_PIECE_CHARACTERS, _PAUSE_S = 32 * 1024, 0.002
# A chunk's results at once are some 2 MB of Postgres's log, whose end a live prediction's commit would wait for.

State = BatchJob.State
logger = structlog.get_logger(__name__)


def waiting() -> QuerySet[Chunk]:
    """Chunks that are not over, of jobs that run; some may be held by a worker.

    The first chunks of all jobs come before the second ones: a small job does not wait for a big one's end.
    """
    free = Chunk.objects.filter(state__in=_OPEN, attempts__lt=MOST_ATTEMPTS, job__state=State.RUNNING)
    return free.order_by("number", "job_id")


def claim_waiting(*, besides: Sequence[int] = ()) -> Lease | None:
    """Hold the next chunk, if there is one besides these."""
    return claim(waiting().exclude(pk__in=besides), state=Chunk.State.RUNNING)


def work(lease: Lease) -> None:
    """Answer a chunk's rows and store them.

    Raises:
        LeaseLost: somebody else works on it now, or the job was cancelled; nothing was stored.
    """
    chunk = Chunk.objects.select_related("job__version").defer("job__version__manifest").get(pk=lease.id)
    with held(lease) as heartbeat:
        try:
            model = loaded(chunk.job.version)
        except ModelUnavailable as error:
            _fail(lease, chunk.job, error)
            return
        made = outcome(chunk.job_id, chunk.first_row, _answers(chunk, model, heartbeat))
        heartbeat.check()
        _store(lease, chunk, made, gently=predictions_live(within_s=_LIVE_S))
    job_finish(chunk.job_id)


def give_back(lease: Lease, counted: bool) -> None:
    """Let somebody else work on the chunk; the attempt counts unless it was not the chunk's fault.

    Raises:
        LeaseLost: as `work`.
    """
    back = lease.release if counted else lease.forgo
    back(state=Chunk.State.WAITING)


def refuse(lease: Lease, error: StorageUnavailable) -> None:
    """Let a chunk rest whose piece or version the storage does not give. After the last try its rows end for that.

    Raises:
        LeaseLost: as `work`.
    """
    if lease.attempt < MOST_ATTEMPTS:
        lease.rest(state=Chunk.State.WAITING)
        return
    chunk = Chunk.objects.select_related("job__version").defer("job__version__manifest").get(pk=lease.id)
    if isinstance(error.__cause__, ArtifactError):
        _fail(lease, chunk.job, ModelUnavailable(chunk.job.version.tag, str(error.__cause__)))
        return
    refused = InputRefused()
    rows = [files.Refusal(refused.code, str(refused))] * chunk.rows
    _store(lease, chunk, outcome(chunk.job_id, chunk.first_row, rows), gently=False)
    job_finish(chunk.job_id)


def job_finish(job_id: object) -> None:
    """Call a job done if all its chunks are over."""
    left = Chunk.objects.filter(job=OuterRef("pk"), state__in=_OPEN)
    over = BatchJob.objects.filter(pk=job_id, state__in=[State.RUNNING, State.PAUSED], rows__isnull=False)
    if over.filter(~Exists(left)).update(state=State.DONE, finished_at=Now(), code="", detail=""):
        logger.info("a batch job is done", job=str(job_id))


def wait_for_stores(job_id: object) -> None:
    """Wait until the chunks of a job that are being stored are, before those that come now, and keep others waiting.

    Call it in the transaction that changes the job's state, before the job is locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ALONE, [_turn(job_id)])


def poison() -> int:
    """Give up chunks that ended their worker too often: their rows end as errors, so that the job can end.

    Returns:
        How many there were.
    """
    wanted = [State.RUNNING, State.PAUSED]
    given_up = Chunk.objects.filter(claimable(), state__in=_OPEN, attempts__gte=MOST_ATTEMPTS, job__state__in=wanted)
    count = 0
    while _poison_one(given_up):
        count += 1
    return count


def _poison_one(given_up: QuerySet[Chunk]) -> bool:
    with transaction.atomic():
        chunk = given_up.select_for_update(skip_locked=True, of=("self",)).first()
        if chunk is None:
            return False
        _clear(chunk)
        last = chunk.first_row + chunk.rows - 1
        with connection.cursor() as cursor:
            said = _POISONED.format(chunk.attempts)
            cursor.execute(_POISON_RESULTS, [chunk.job_id, POISON, said, chunk.first_row, last])
        chunk.state, chunk.ok, chunk.errors = Chunk.State.POISON, 0, {POISON: chunk.rows}
        # A holder that was only stopped, and wakes up, finds no lease.
        chunk.leased_until, chunk.finished_at = None, Now()
        chunk.save(update_fields=["state", "ok", "errors", "leased_until", "finished_at"])
    logger.warning("a chunk was given up", job=str(chunk.job_id), first_row=chunk.first_row, rows=chunk.rows)
    job_finish(chunk.job_id)
    return True


def _answers(chunk: Chunk, model: LoadedModel, heartbeat: Heartbeat) -> list[Answer]:
    """What each row of a chunk came to; where its piece is gone, that no row can be read."""
    try:
        rows = _rows(chunk, model)
    except InputLost as error:
        logger.error("a piece of an input is gone", job=str(chunk.job_id), file=chunk.file)
        return [files.Refusal(error.code, str(error))] * chunk.rows
    return answers(model, rows, check=heartbeat.check)


def _rows(chunk: Chunk, model: LoadedModel) -> list[files.Row | files.Refusal]:
    job = chunk.job
    header = files.Header(columns=tuple(job.columns))
    rows = files.rows(storage.get(chunk.file), job.format, header, model.signature)
    if len(rows) != chunk.rows:
        raise RuntimeError(f"The piece {chunk.file} has {len(rows)} rows; {chunk.rows} were counted when it was cut.")
    return rows


def _store(lease: Lease, chunk: Chunk, made: Outcome, *, gently: bool) -> None:
    """The chunk's end and all its results, or nothing of both."""
    with transaction.atomic():
        lease.release(state=Chunk.State.DONE, ok=made.ok, errors=made.errors, finished_at=Now())
        with connection.cursor() as cursor:
            cursor.execute(_SIDE_BY_SIDE, [_turn(chunk.job_id)])
            cursor.execute(_STILL_WANTED, [chunk.job_id])
            if cursor.fetchone() is None:
                raise LeaseLost("chunk", chunk.pk)
            _clear(chunk)
            # Django leaves what COPY raises as psycopg's.
            with connection.wrap_database_errors, cursor.copy(COPY) as copy:
                for piece in _pieces(made.text) if gently else (made.text,):
                    copy.write(piece)


def _turn(job_id: object) -> str:
    return f"foretell batch job {job_id}"


def _pieces(text: str) -> Iterator[str]:
    """A text bit by bit, with pauses in which live predictions are stored."""
    for start in range(0, len(text), _PIECE_CHARACTERS):
        yield text[start : start + _PIECE_CHARACTERS]
        time.sleep(_PAUSE_S)


def _clear(chunk: Chunk) -> None:
    """Remove results of an earlier try of these rows."""
    last = chunk.first_row + chunk.rows - 1
    Result.objects.filter(job=chunk.job_id, row__range=(chunk.first_row, last)).delete()


def _fail(lease: Lease, job: BatchJob, error: ModelUnavailable) -> None:
    """End the job: no other worker could answer its rows either."""
    with transaction.atomic():
        lease.forgo(state=Chunk.State.WAITING)
        BatchJob.objects.filter(pk=job.pk, state__in=[State.RUNNING, State.PAUSED]).update(
            state=State.FAILED, finished_at=Now(), code=error.code, detail=str(error)
        )
    logger.warning("a batch job failed", job=str(job.pk), code=error.code)
