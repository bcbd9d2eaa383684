"""Replays: what a query job's version says now, compared row by row with what was answered then.

The pieces of the input hold what was then, the results what is now; both are read once in the input's order, after a
first look at every so-manieth row chose the bins. Memory: a chunk, eight bytes a compared row, and the counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import connection
from django.db.models import F, QuerySet

from inference import ids
from inference.engine.signature import Signature
from inference.models import Feedback
from jobs import files, storage
from jobs.errors import InputLost, InputRefused, LeaseLost, StorageUnavailable
from jobs.leases import MOST_ATTEMPTS, POISON, Heartbeat, Lease, claim, claimable, held
from jobs.models import BatchJob, Chunk
from jobs.replay.comparison import Comparison, Pairs
from jobs.replay.query import FACTS, Selection, answer_columns
from jobs.replay.report import Report

SAMPLE_ROWS = 20_000
SAMPLE_CELLS = 500_000
"""The most that is looked at to choose bins."""
TOLERANCE = 0.05
"""Of the standard deviation of a regression's training targets: answers closer than that agree."""

# Reading took its tries from the same counter.
_TRIES = 2 * MOST_ATTEMPTS
_RESULTS = "SELECT output::text FROM jobs_result WHERE job_id = %s AND row BETWEEN %s AND %s ORDER BY row"
_TRUTHS = """
SELECT DISTINCT ON (prediction_id) prediction_id::text, value::text FROM inference_feedback
 WHERE prediction_id = ANY(%s::uuid[]) ORDER BY prediction_id, id DESC
"""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Then:
    """What some consecutive rows held: their inputs by column, and what was answered. `devices` may hold None."""

    inputs: dict[str, Sequence[Any]]
    ids: Sequence[str]
    versions: Sequence[str]
    answers: Sequence[Any]
    devices: Sequence[str | None]
    times: Sequence[str]


def unreported() -> QuerySet[BatchJob]:
    """Query jobs that are done and have no report yet, the oldest first; some may be held by a worker."""
    done = BatchJob.objects.filter(state=BatchJob.State.DONE, kind=BatchJob.Kind.QUERY)
    return done.filter(report__isnull=True, expired_at=None, attempts__lt=_TRIES, code="").order_by("pk")


def claim_unreported(*, besides: Sequence[UUID] = ()) -> Lease | None:
    """Hold the next job to report on, if there is one besides these."""
    return claim(unreported().exclude(pk__in=besides))


def report(lease: Lease) -> None:
    """Make a job's report and keep it with the job, or why there is none.

    Raises:
        LeaseLost: somebody else makes it now.
    """
    job = BatchJob.objects.select_related("version").get(pk=lease.id)
    with held(lease) as heartbeat:
        try:
            made = _made(job, heartbeat)
        except InputLost as error:
            _end(lease, error)
            return
        # Rows that are being tried again make another report.
        if not lease.row().filter(state=BatchJob.State.DONE).update(report=made.to_dict(), leased_until=None):
            raise LeaseLost("report of job", job.pk)
    logger.info("a replay was reported", job=str(job.pk), rows=made.rows, agree=made.agreement.rate)


def _made(job: BatchJob, heartbeat: Heartbeat) -> Report:
    """The report of a job, whose lease is looked at before each chunk."""
    chunks = list(job.chunks.order_by("number"))
    replay = _Replay(job)
    stride = replay.stride()
    sample = _Sample()
    for chunk in chunks:
        heartbeat.check()
        sample.add(replay.then(chunk, stride))
    comparison = Comparison(replay.signature, sample.inputs, tolerance=replay.tolerance())
    for chunk in chunks:
        heartbeat.check()
        replay.compare(chunk, comparison)
    return comparison.report(version=job.version.tag)


def give_back(lease: Lease, counted: bool) -> None:
    """Let somebody else make the report; the attempt counts unless it was not the work's fault.

    Raises:
        LeaseLost: as `report`.
    """
    back = lease.release if counted else lease.forgo
    back()


def refuse(lease: Lease, _: StorageUnavailable) -> None:
    """Let a report rest whose input the storage does not give; in the end there is none.

    Raises:
        LeaseLost: as `report`.
    """
    if lease.attempt < _TRIES:
        lease.rest()
    else:
        _end(lease, InputRefused())


def _end(lease: Lease, error: InputLost) -> None:
    lease.release(code=error.code, detail=f"There is no report. {error}")
    logger.warning("a replay can't be reported", job=str(lease.id), code=error.code)


def give_up() -> int:
    """Say of jobs whose report ended its worker too often that there will be none; how many there were."""
    done = BatchJob.objects.filter(claimable(), state=BatchJob.State.DONE, kind=BatchJob.Kind.QUERY)
    said = "The results are whole. Their report ended its worker too often, so there is none."
    # The token: a holder that was only stopped, and wakes up, finds no lease.
    return done.filter(report__isnull=True, attempts__gte=_TRIES, code="").update(
        code=POISON, detail=said, token=F("token") + 1, leased_until=None
    )


class _Sample:
    """Some rows of all chunks, by column."""

    def __init__(self) -> None:
        self.inputs: dict[str, list[Any]] = {}

    def add(self, then: Then) -> None:
        """Take rows."""
        for name, values in then.inputs.items():
            self.inputs.setdefault(name, []).extend(values)


class _Replay:
    """Reads one job's rows, then and now."""

    def __init__(self, job: BatchJob) -> None:
        self.signature = Signature.from_dict(job.version.manifest["signature"])
        self._job = job
        self._header = files.Header(columns=tuple(job.columns))
        places = {name: place for place, name in enumerate(job.columns)}
        self._inputs = {name: places[name] for name in self.signature.names}
        names = (*FACTS, *answer_columns(self.signature.output))
        self._carried = dict(zip(names, (places[name] for name in job.carried), strict=True))
        self._has_feedback = self._is_feedback_known()

    def stride(self) -> int:
        """Which rows the sample takes: every so-manieth."""
        most = max(1, min(SAMPLE_ROWS, SAMPLE_CELLS // len(self._inputs)))
        return max(1, math.ceil((self._job.rows or 1) / most))

    def tolerance(self) -> float | None:
        """How close a regression's answers agree, in its unit."""
        if self.signature.output.kind != "regression":
            return None
        return TOLERANCE * float(self._job.version.manifest["parity"]["scale"])

    def then(self, chunk: Chunk, stride: int = 1) -> Then:
        """What a chunk's rows held, or every so-manieth of them."""
        data = storage.get(chunk.file)
        if stride > 1:
            data = b"".join(data.splitlines(keepends=True)[chunk.first_row % stride :: stride])
        cells = files.cells(data, self._job.format, self._header)
        columns: Sequence[Sequence[Any]] = list(zip(*cells, strict=True)) or [()] * len(self._header.columns)
        facts = {name: columns[self._carried[name]] for name in FACTS}
        return Then(
            inputs={name: columns[place] for name, place in self._inputs.items()},
            ids=facts["id"],
            versions=facts["version"],
            answers=self._answers(columns),
            devices=facts["device"],
            times=facts["time"],
        )

    def _answers(self, columns: Sequence[Sequence[Any]]) -> list[Any]:
        """What was answered, as outputs; None where nothing was, or nothing that this kind of output has."""
        output = self.signature.output
        names = answer_columns(output)
        found = zip(*(columns[self._carried[name]] for name in names), strict=True)
        if output.kind != "classification":
            return [None if None in row else dict(zip(names, row, strict=True)) for row in found]
        # A label of the time may have a score no more.
        return [
            None if row[0] is None else {"label": row[0], "scores": dict(zip(output.labels, row[1:], strict=True))}
            for row in found
        ]

    def compare(self, chunk: Chunk, comparison: Comparison) -> None:
        """Count a chunk's rows."""
        then, now = self.then(chunk), self._now(chunk)
        if len(now) != len(then.ids):
            raise RuntimeError(f"Rows {chunk.first_row} and on: {len(then.ids)} went in, {len(now)} came out.")
        comparison.add(
            Pairs(
                then=then.answers,
                now=now,
                truths=self._truths(then.ids),
                inputs=then.inputs,
                devices=then.devices,
                hours=[int(time[11:13]) for time in then.times],
                versions=then.versions,
            )
        )

    def _now(self, chunk: Chunk) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(_RESULTS, [self._job.pk, chunk.first_row, chunk.first_row + chunk.rows - 1])
            texts = [text or "null" for (text,) in cursor.fetchall()]
        outputs: list[Any] = msgspec.json.decode(f"[{','.join(texts)}]")
        return outputs

    def _truths(self, predictions: Sequence[str]) -> list[Any]:
        """What the latest feedback says is true of each prediction, or None."""
        if not self._has_feedback:
            return [None] * len(predictions)
        with connection.cursor() as cursor:
            cursor.execute(_TRUTHS, [list(predictions)])
            told = {prediction: msgspec.json.decode(value) for prediction, value in cursor.fetchall()}
        return [told.get(prediction) for prediction in predictions]

    def _is_feedback_known(self) -> bool:
        """Whether any of the endpoint is: else nobody has to look for each row's."""
        since = ids.floor(Selection.from_dict(self._job.selection or {}).since)
        return Feedback.objects.filter(endpoint=self._job.endpoint_id, id__gte=since).exists()
