"""What a batch job came to, over REST: pages of results, the whole as a file, and a query's replay report."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from inference.callers import Caller
from inference.engine.errors import ForetellError
from inference.engine.signature import Signature
from inference.errors import NotFound
from inference.http.replies import StreamedReply
from inference.http.requests import Request
from inference.http.uploads import in_thread
from inference.http.views import ExpressView
from jobs import files
from jobs.api import queries, schema
from jobs.api.access import job_of
from jobs.api.database import ask
from jobs.api.intake import MEDIA_TYPES
from jobs.api.shown import result_shown
from jobs.batch import downloads
from jobs.batch.downloads import LONGEST_REST_S, SLICE, chunk_cells, chunk_results
from jobs.errors import JobState, ReportPending
from jobs.files import Header, Writer
from jobs.models import BatchJob, Chunk, Result
from jobs.selectors import MOST_RESULTS, batch_results
from jobs.services.batch import OVER

PAGE = 100


@dataclass(frozen=True, slots=True)
class _Whole:
    """All that is needed to write a job's results, but the results."""

    job: BatchJob
    header: Header
    signature: Signature
    chunks: Sequence[Chunk]


class BatchResultsView(ExpressView):
    """A page of a batch job's results."""

    scopes = ("jobs",)
    parameters = ("after", "limit", "status", "code")

    @schema.batch_results
    async def get(self, request: Request, id: str) -> bytes:
        """The rows behind `after`, in their order."""
        query = request.query()
        asked: dict[str, Any] = {
            "after": queries.number(query, "after", default=0, high=files.MOST_ROWS),
            "limit": queries.number(query, "limit", default=PAGE, low=1, high=MOST_RESULTS),
            "status": queries.word(query, "status", ("ok", "error")),
            "code": query.get("code", ""),
        }
        found = await ask(request, _page, request.auth, id, asked)
        more = found[-1].row if len(found) == asked["limit"] else None
        return msgspec.json.encode({"results": [result_shown(result) for result in found], "next": more})


class BatchDownloadView(ExpressView):
    """All of a batch job's rows with what they came to, as a file."""

    scopes = ("jobs",)
    parameters = ("format",)
    offered = tuple(MEDIA_TYPES)

    @schema.batch_download
    async def get(self, request: Request, id: str) -> StreamedReply:
        """Stream it, in the input's format unless another one is asked for."""
        wanted = queries.word(request.query(), "format", tuple(files.FORMATS))
        whole = await ask(request, _whole, request.auth, id)
        format = wanted or whole.job.format
        name = f"{whole.job.endpoint.slug}-{whole.job.pk}.{format}"
        return StreamedReply(
            pieces=_pieces(request, whole, format),
            media_type=downloads.MEDIA_TYPES[format].encode(),
            headers=((b"content-disposition", f'attachment; filename="{name}"'.encode()),),
        )


class BatchReportView(ExpressView):
    """How a version differs from what was answered then."""

    scopes = ("jobs",)

    @schema.batch_report
    async def get(self, request: Request, id: str) -> bytes:
        """The replay report of a query that is done."""
        job = await ask(request, job_of, request.auth, id)
        if job.kind != BatchJob.Kind.QUERY:
            raise NotFound("A replay report of this job")
        if job.report is None:
            raise _reportless(job)
        return msgspec.json.encode({"id": job.pk, "report": job.report})


def _reportless(job: BatchJob) -> ForetellError:
    """Why a query has no report: not yet, or never."""
    if job.state in (BatchJob.State.FAILED, BatchJob.State.CANCELLED):
        return JobState("reported on", job.state, (BatchJob.State.DONE,))
    # Making it ended its workers, or was too late.
    if job.state == BatchJob.State.DONE and (job.code or job.expired_at is not None):
        return NotFound("A replay report of this job")
    return ReportPending()


def _page(caller: Caller, id: str, asked: dict[str, Any]) -> list[Result]:
    return batch_results(job=_readable(caller, id), **asked)


def _whole(caller: Caller, id: str) -> _Whole:
    job = _readable(caller, id)
    return _Whole(
        job=job,
        header=Header(tuple(job.columns)),
        signature=Signature.from_dict(job.version.manifest["signature"]),
        chunks=list(job.chunks.only("job", "first_row", "rows", "file").order_by("number")),
    )


def _readable(caller: Caller, id: str) -> BatchJob:
    """A job whose results can be read.

    Raises:
        NotFound: the caller may see none of that id.
        JobState: it is not over, never had any, or they are gone.
    """
    job = job_of(caller, id)
    if job.expired_at is not None:
        raise JobState("read", "expired", OVER)
    if job.state not in OVER or job.rows is None:
        raise JobState("read", job.state, OVER)
    return job


async def _pieces(request: Request, whole: _Whole, format: str) -> AsyncGenerator[bytes, None]:
    """The file, chunk by chunk: one chunk's input and results are held at a time, and one slice of text."""
    writer = Writer(format, whole.header, whole.signature.output, whole.signature, whole.job.format)
    yield await in_thread(writer.head)
    for chunk in whole.chunks:
        results = await ask(request, chunk_results, chunk=chunk)
        cells = await in_thread(chunk_cells, chunk, whole.job.format, whole.header, results)
        for at in range(0, chunk.rows, SLICE):
            some, began_s = slice(at, at + SLICE), time.monotonic()
            yield await in_thread(writer.rows, chunk.first_row + at, cells[some], results[some])
            await asyncio.sleep(min(time.monotonic() - began_s, LONGEST_REST_S))
    yield await in_thread(writer.end)
