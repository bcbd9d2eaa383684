"""What the OpenAPI document says of batch jobs."""

from collections.abc import Collection
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from inference.api.schema import (
    ANYONE,
    CALLER,
    VERSION,
    answer,
    operation,
    problems,
)
from inference.engine.errors import InvalidInput, ModelUnavailable, Problem
from inference.errors import NotFound, UnknownEndpoint
from inference.http import errors as http
from inference.http import media
from jobs.api import serializers
from jobs.api.keys import MOST_CHARACTERS
from jobs.api.lists import MOST_LISTED, PAGE
from jobs.errors import BadFile, BadHeader, EndpointUnsaid, IdempotencyMismatch, JobState, NoRows, ReportPending
from jobs.models import BatchJob

JOB_ID = "019ab3f2-7d10-7c55-9b1e-0f2b6a7c9d11"
NOT_THERE = NotFound("This job")
_FILES = {"text/csv": "csv", "application/x-ndjson": "ndjson", "application/vnd.apache.parquet": "parquet"}

_JOB = {
    "id": JOB_ID,
    "endpoint": "shuttle-fault",
    "version": VERSION,
    "kind": "upload",
    "format": "csv",
    "state": "running",
    "code": None,
    "detail": None,
    "file": {"name": "night.csv", "bytes": 41267904, "sha256": "0f" * 32},
    "query": None,
    "carry": ["machine"],
    "rows": 1_000_000,
    "created_at": "2026-11-22T14:00:00Z",
    "created_by": "service:nightly",
    "schedule": None,
    "started_at": "2026-11-22T14:00:01Z",
    "finished_at": None,
    "expired_at": None,
}
_PROGRESS = {
    "rows": 1_000_000,
    "done": 420_000,
    "ok": 419_988,
    "errors": {"out_of_range": 12},
    "rows_per_s": 41_250.0,
    "eta_s": 14.1,
    "chunks": 100,
    "poison": 0,
}
_RUNNING = _JOB | {"progress": _PROGRESS}
_QUEUED = (
    _JOB
    | {"state": "queued", "rows": None, "started_at": None}
    | {
        "progress": _PROGRESS
        | {"rows": None, "done": 0, "ok": 0, "errors": {}, "rows_per_s": None, "eta_s": None, "chunks": 0}
    }
)
_OUTPUT = {"label": "normal", "scores": {"normal": 1.0, "fault": 0.0}}
_BAD_PAGE = http.BadPage("limit", "a whole number from 1 to 1000", "-1")
UNREADABLE = (
    InvalidInput(Problem("malformed_json", (), "Not JSON at 1:17: Expecting value.")),
    http.BodyTooLarge(1024 * 1024),
    http.UnsupportedMediaType("text/plain", media.ACCEPTED),
    http.UnsupportedEncoding("gzip"),
)
"""How a JSON body is refused before it is looked at."""
_FORCED = InvalidInput(Problem("unknown_field", ("force",), "`force` is not a field here. Expected none."))


def narrowed(what: str, states: Collection[str]) -> list[OpenApiParameter]:
    """The parameters of a list of some kind of work."""
    return [
        OpenApiParameter("endpoint", str, description=f"Only {what} of this endpoint."),
        OpenApiParameter("state", str, enum=list(states), description=f"Only {what} in this state."),
        OpenApiParameter("before", str, description=f"Only {what} older than this one: the `next` of the page before."),
        OpenApiParameter("limit", int, description=f"1 to {MOST_LISTED}, by default {PAGE}."),
    ]


def key(what: str) -> OpenApiParameter:
    """The header that makes asking again safe."""
    return OpenApiParameter(
        "Idempotency-Key",
        str,
        OpenApiParameter.HEADER,
        description=f"1 to {MOST_CHARACTERS} printable characters: the same request under the same key makes one"
        f" {what} only.",
    )


def _file_content() -> dict[str, Any]:
    return {media_type: OpenApiTypes.BINARY for media_type in _FILES}


def _action(name: str, summary: str, said: str, refusal: JobState) -> Any:
    return operation(
        f"jobs_batch_{name}",
        summary,
        {200: answer(serializers.JobProgressSerializer, said, _RUNNING)}
        | problems(*ANYONE, *CALLER, NOT_THERE, refusal, *UNREADABLE, _FORCED),
        request={"application/json": serializers.ReasonlessSerializer},
    )


batch_list = operation(
    "jobs_batch_list",
    "The batch jobs of this credential's endpoints",
    {200: answer(serializers.JobsSerializer, "The newest first.", {"jobs": [_JOB], "next": JOB_ID})}
    | problems(*ANYONE, *CALLER, _BAD_PAGE),
    parameters=narrowed("jobs", BatchJob.State.values),
)

batch_create = operation(
    "jobs_batch_create",
    "Ask for many rows to be answered: of a file, or of stored predictions",
    {
        201: answer(serializers.JobProgressSerializer, "It is committed; `Location` has its address.", _QUEUED),
        200: answer(serializers.JobProgressSerializer, "The same request made it before.", _RUNNING),
    }
    | problems(
        *ANYONE,
        *CALLER,
        http.IncompleteUpload(15),
        http.BadIdempotencyKey(),
        InvalidInput(Problem("malformed_json", (), "Not JSON at 1:17: Expecting value.")),
        UnknownEndpoint("shutle-fault"),
        EndpointUnsaid(),
        http.UploadTooLarge(64 * 1024 * 1024),
        http.BodyTooLarge(1024 * 1024),
        http.UnsupportedMediaType("text/plain", ", ".join((*_FILES, media.ACCEPTED))),
        http.UnsupportedEncoding("gzip"),
        BadHeader("The header lacks `s4`. The inputs are `s1`, `s2`, `s3`, `s4`."),
        BadFile("A quote is opened and never closed.", line=12),
        NoRows(),
        InvalidInput(
            Problem("bad_timestamp", ("query", "since"), "`since` expects RFC 3339 with a zone; got 'today'.")
        ),
        IdempotencyMismatch(),
        ModelUnavailable("Endpoint 'shuttle-fault'", "no version is live"),
        http.UploadStorageFull(),
    ),
    parameters=[
        OpenApiParameter("endpoint", str, description="Of a file: which endpoint answers it. Must be said."),
        OpenApiParameter("version", str, description="Of a file: the tag of the version to ask, else the champion."),
        OpenApiParameter(
            "carry", str, description="Of a file: columns that are no inputs and go into the results: `a,b`."
        ),
        OpenApiParameter("name", str, description="Of a file: its name, for people."),
        key("job"),
    ],
    request=_file_content() | {"application/json": serializers.QueryJobSerializer},
    examples=[
        OpenApiExample(
            "what would it have said this week?",
            {
                "endpoint": "shuttle-fault",
                "version": VERSION,
                "query": {"since": "2026-11-15T00:00:00Z", "until": "2026-11-22T00:00:00Z", "limit": 100_000},
            },
            request_only=True,
            media_type="application/json",
        ),
    ],
)

batch_detail = operation(
    "jobs_batch_read",
    "A batch job and how far it is",
    {200: answer(serializers.JobProgressSerializer, "Ask again as often as you like.", _RUNNING)}
    | problems(*ANYONE, *CALLER, NOT_THERE),
)

batch_pause = _action(
    "pause",
    "Pause a batch job",
    "No further chunk is begun; those that workers are at are finished.",
    JobState("paused", "done", ["queued", "running"]),
)
batch_resume = _action(
    "resume", "Go on with a paused batch job", "It goes on where it was.", JobState("resumed", "running", ["paused"])
)
batch_cancel = _action(
    "cancel",
    "End a batch job",
    "What it has so far stays.",
    JobState("cancelled", "done", ["queued", "running", "paused"]),
)
batch_retry = _action(
    "retry",
    "Work again on what ended with an error",
    "Chunks with errors are worked on again, and those that were given up.",
    JobState("tried again", "running", ["done", "failed"]),
)

batch_results = operation(
    "jobs_batch_results",
    "A page of a batch job's results",
    {
        200: answer(
            serializers.ResultsSerializer,
            "In the input's order.",
            {
                "results": [
                    {"row": 1, "status": "ok", "output": _OUTPUT, "error": None, "detail": None},
                    {
                        "row": 2,
                        "status": "error",
                        "output": None,
                        "error": "out_of_range",
                        "detail": "`s1` expects float from -32768 to 32767; got 40000.",
                    },
                ],
                "next": None,
            },
        )
    }
    | problems(*ANYONE, *CALLER, _BAD_PAGE, NOT_THERE, JobState("read", "running", ["done", "failed", "cancelled"])),
    parameters=[
        OpenApiParameter("after", int, description="Rows behind this one: the `next` of the page before."),
        OpenApiParameter("limit", int, description="1 to 1000, by default 100."),
        OpenApiParameter("status", str, enum=["ok", "error"], description="Only rows that ended so."),
        OpenApiParameter("code", str, description="Only rows that ended with this error."),
    ],
)

batch_download = operation(
    "jobs_batch_download",
    "All rows of a batch job, with what they came to, as a file",
    {
        (200, media_type): OpenApiResponse(
            OpenApiTypes.BINARY, description="The input's columns, then the results', in the input's order."
        )
        for media_type in _FILES
    }
    | problems(*ANYONE, *CALLER, _BAD_PAGE, NOT_THERE, JobState("read", "running", ["done", "failed", "cancelled"])),
    parameters=[
        OpenApiParameter("format", str, enum=list(_FILES.values()), description="By default the input's."),
    ],
)

batch_report = operation(
    "jobs_batch_report",
    "How a version differs from what was answered then",
    {200: answer(serializers.ReportSerializer, "Of a query that is done.", {"id": JOB_ID, "report": {"rows": 52341}})}
    | problems(*ANYONE, *CALLER, NOT_THERE, ReportPending()),
)
