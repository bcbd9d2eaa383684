"""How a batch job comes in: a file, streamed aside, looked at and put into the storage, or a query."""

import datetime
import uuid
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings

from inference.database import DatabaseUnavailable
from inference.engine.errors import ForetellError
from inference.http.errors import UnknownParameter, UploadStorageFull
from inference.http.requests import Request
from inference.http.uploads import in_thread, received
from inference.ids import prediction_id
from jobs import files, services, storage
from jobs.api.access import Target, actor, target_of
from jobs.api.bodies import Fields, fields_of
from jobs.api.database import ask
from jobs.api.keys import slot_of
from jobs.errors import EndpointUnsaid, IdempotencyMismatch, StorageFull
from jobs.models import BatchJob
from jobs.replay.query import MOST_ROWS, Selection

MEDIA_TYPES = {"text/csv": "csv", "application/x-ndjson": "ndjson", "application/vnd.apache.parquet": "parquet"}
"""What a file may come as, and the name of its format."""
MOST_NAME = 200

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that was asked for; `new` unless the same request had made it before."""

    job: BatchJob
    new: bool


async def file_taken(request: Request) -> Taken:
    """The job of an uploaded file. It is there and committed, or nothing of the file is.

    Raises:
        EndpointUnsaid, UnknownEndpoint, UnknownVersion, ModelUnavailable: who is to answer can't.
        UploadTooLarge, IncompleteUpload, UploadStorageFull, Overloaded: the file did not come in.
        FileError: it can't be used, as its beginning shows.
        BadIdempotencyKey, IdempotencyMismatch: its key can't be one, or was another request's.
    """
    query, slot = request.query(), slot_of(request)
    if not query.get("endpoint"):
        raise EndpointUnsaid
    target = await ask(request, target_of, request.auth, query["endpoint"], query.get("version"))
    carried = tuple(name for name in query.get("carry", "").split(",") if name)
    format = MEDIA_TYPES[request.media_type]
    name = f"incoming/{request.id}.{format}"
    async with received(request, folder=Path(settings.FILE_UPLOAD_TEMP_DIR), most_bytes=files.MOST_BYTES) as came:
        header = await in_thread(files.inspect, came.path, format, target.signature, carried)
        await _kept(name, came.path)
    upload = services.Upload(
        file=name,
        file_name=_printable(query.get("name", "")),
        format=format,
        bytes=came.bytes,
        sha256=came.sha256,
        columns=header.columns,
        carried=carried,
    )
    try:
        job = await ask(request, _created, request, target, upload, slot)
    except DatabaseUnavailable:
        # It may be committed, and then needs its file; if not, what nobody refers to is removed in time.
        raise
    except ForetellError:
        await in_thread(storage.discard, name)
        raise
    if job.file == name:
        return Taken(job, new=True)
    await in_thread(storage.discard, name)
    if not _same(job, target, query.get("version"), upload):
        raise IdempotencyMismatch
    return Taken(job, new=False)


async def query_taken(request: Request) -> Taken:
    """The job of a query over stored predictions.

    Raises:
        UnknownParameter: the address says what the body should.
        InvalidInput: the body can't be read.
        UnknownEndpoint, UnknownVersion, ModelUnavailable: something it names is not there.
        BadIdempotencyKey, IdempotencyMismatch: as `file_taken`.
    """
    for name in request.query():
        raise UnknownParameter(name, ())
    slot = slot_of(request)
    body = fields_of(await request.body(), "endpoint", "version", "query")
    slug, tag = body.text("endpoint", required=True), body.text("version")
    selection = _selection(body)
    return await ask(request, _asked, request, slug, tag, selection, slot)


def _selection(body: Fields) -> Selection:
    said = body.inner("query", "version", "device", "since", "until", "limit", required=True)
    assert said is not None
    since = said.moment("since", required=True)
    assert since is not None
    return Selection(
        since=since,
        until=said.moment("until") or datetime.datetime.now(datetime.UTC),
        version=said.text("version"),
        device=said.text("device"),
        limit=said.whole("limit", low=1, high=MOST_ROWS) or MOST_ROWS,
    )


def _created(request: Request, target: Target, upload: services.Upload, slot: str) -> BatchJob:
    return services.batch_job_create(
        endpoint=target.endpoint,
        version=target.version,
        upload=upload,
        actor=actor(request.auth),
        credential_id=request.auth.credential_id,
        slot=slot,
    )


def _asked(request: Request, slug: str, tag: str | None, selection: Selection, slot: str) -> Taken:
    target, id = target_of(request.auth, slug, tag), uuid.UUID(prediction_id())
    job = services.batch_query_create(
        endpoint=target.endpoint,
        version=target.version,
        selection=selection,
        actor=actor(request.auth),
        credential_id=request.auth.credential_id,
        slot=slot,
        id=id,
    )
    if job.pk != id and not _same_query(job, target, tag, selection):
        raise IdempotencyMismatch
    return Taken(job, new=job.pk == id)


async def _kept(name: str, path: Path) -> None:
    """Put a file into the storage.

    Raises:
        UploadStorageFull: there is no room for it.
    """
    try:
        await in_thread(storage.put, name, path)
    except StorageFull as error:
        raise UploadStorageFull from error


def _same(job: BatchJob, target: Target, tag: str | None, upload: services.Upload) -> bool:
    """Whether a job was asked for by the same request."""
    asked = (upload.sha256, upload.format, list(upload.carried))
    return _same_target(job, target, tag) and (job.file_sha256, job.format, job.carried) == asked


def _same_query(job: BatchJob, target: Target, tag: str | None, selection: Selection) -> bool:
    """As `_same`. `until` may have been left out, and then is another one each time."""
    said = {name: value for name, value in selection.to_dict().items() if name != "until"}
    known = {name: value for name, value in (job.selection or {}).items() if name != "until"}
    return _same_target(job, target, tag) and known == said


def _same_target(job: BatchJob, target: Target, tag: str | None) -> bool:
    """Whether a job is answered by who was asked for. The champion may have changed since: it is not compared."""
    return job.endpoint_id == target.endpoint.pk and (tag is None or job.version_id == target.version.pk)


def _printable(name: str) -> str:
    """A file's name as people may see it: without its folders and what can't be printed."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one.isprintable())[:MOST_NAME]
