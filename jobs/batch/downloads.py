"""A job's results beside their input, as a file: made chunk by chunk, in the input's order, never whole in memory."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from inference.engine.signature import Signature
from jobs import files, storage
from jobs.errors import InputLost, JobState
from jobs.models import BatchJob, Chunk

SLICE = 500
"""Rows that are formatted at a time."""
LONGEST_REST_S = 0.02
"""After each slice a download rests for as long as the slice took, but not longer: live predictions come first."""
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_RESULTS = "SELECT row, output::text, error, detail FROM jobs_result WHERE job_id = %s AND row BETWEEN %s AND %s"
_NOT_DONE: files.Result = (None, None, None)


@dataclass(frozen=True, slots=True)
class Download:
    """A file to send: what it is called, what it is, and its bytes, piece by piece."""

    name: str
    media_type: str
    pieces: Iterator[bytes]


def download(*, job: BatchJob, format: str) -> Download:
    """What a job came to so far, in one of `files.FORMATS`. Rows that are not done yet say so."""
    stem = re.sub(r"[^\w.-]+", "-", Path(job.file_name or job.endpoint.slug).stem).strip("-.") or "results"
    return Download(f"{stem}-{job.version.tag}.{format}", MEDIA_TYPES[format], _pieces(job, format))


def _pieces(job: BatchJob, format: str) -> Iterator[bytes]:
    signature = Signature.from_dict(job.version.manifest["signature"])
    header = files.Header(columns=tuple(job.columns))
    writer = files.Writer(format, header, signature.output, signature, job.format)
    yield writer.head()
    for chunk in list(job.chunks.order_by("number")):
        results = chunk_results(chunk=chunk)
        cells = chunk_cells(chunk, job.format, header, results)
        for start in range(0, chunk.rows, SLICE):
            yield writer.rows(chunk.first_row + start, cells[start : start + SLICE], results[start : start + SLICE])
    yield writer.end()


def chunk_cells(chunk: Chunk, format: str, header: files.Header, results: Sequence[files.Result]) -> list[list[Any]]:
    """What each row of a chunk held, by column: nothing where its results say that its piece is gone.

    Raises:
        InputLost: it went after the rows were answered. Their results are there; beside them there is nothing.
        StorageUnavailable: the bucket can't be reached.
    """
    if all(error == InputLost.code for _, error, _ in results):
        return [[None] * len(header.columns) for _ in results]
    return files.cells(storage.get(chunk.file), format, header)


def chunk_results(*, chunk: Chunk) -> list[files.Result]:
    """What each row of a chunk came to; nothing for rows that are not done.

    Raises:
        JobState: the results are gone.
    """
    results = [_NOT_DONE] * chunk.rows
    with connection.cursor() as cursor:
        cursor.execute(_RESULTS, [chunk.job_id, chunk.first_row, chunk.first_row + chunk.rows - 1])
        # Some at a time: each call keeps the interpreter from all other threads.
        while some := cursor.fetchmany(SLICE):
            for row, *came in some:
                results[row - chunk.first_row] = tuple(came)
    # Asked afterwards, so that a row that was deleted is never told as one that is not done.
    if BatchJob.objects.filter(pk=chunk.job_id, expired_at__isnull=False).exists():
        raise JobState("read", "expired", ("done",))
    return results
