"""The list of batch jobs, and the two ways to start one: from a file, or from what was stored."""

import datetime
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from inference.engine.errors import ForetellError
from inference.engine.signature import Signature
from inference.errors import NotFound, UnknownVersion
from inference.http.errors import UploadStorageFull
from inference.models import Endpoint
from inference.permissions import RUN_BATCH, SEE_BATCHES
from inference.selectors import version_get
from jobs import files, phrases, storage
from jobs.admin.answerers import Answerer, answerers, chosen
from jobs.admin.incoming import incoming
from jobs.admin.pages import JobsPage, device_of, given
from jobs.errors import StorageFull
from jobs.models import BatchJob
from jobs.replay.query import MOST_ROWS, Selection
from jobs.selectors import Progress, batch_job_list, batch_progress
from jobs.services import Upload, batch_job_create, batch_query_create

A_PAGE = 30
EXAMPLES = 3
_COLOURS = {"done": "ft-good", "failed": "ft-bad", "paused": "ft-warn", "reading": "ft-good", "running": "ft-good"}
_OVER = ("done", "failed", "cancelled")
_FORMATS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A job as pages show it."""

    job: BatchJob
    progress: Progress

    @property
    def name(self) -> str:
        """What its input is called."""
        if self.job.kind == BatchJob.Kind.QUERY:
            return f"stored predictions of {self.job.endpoint.slug}"
        return self.job.file_name or "a file"

    @property
    def said(self) -> str:
        """How far it is."""
        return phrases.progress_said(self.job.state, self.progress)

    @property
    def failed(self) -> str:
        """How many rows ended with an error."""
        return phrases.failed_said(self.progress)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.job.state in _OVER

    @property
    def colour(self) -> str:
        """The class of its state's badge."""
        return _COLOURS.get(self.job.state, "ft-off")


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it is shown: what may be chosen, what was given, what is wrong with it, and in which field."""

    id: str
    answerers: list[Answerer]
    values: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    wrong: str = ""


class Refused(Exception):
    """What a form's field can't be used for, as a sentence."""

    def __init__(self, name: str, sentence: str) -> None:
        self.name = name
        super().__init__(sentence)


class BatchesView(JobsPage):
    """Batch jobs, the newest first, with the forms that start one."""

    needs = {"GET": SEE_BATCHES}

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        return self.listed()

    def listed(self, status: int = 200, **forms: Form) -> HttpResponse:
        """The page, with what was wrong with one of its forms."""
        before = self.request.GET.get("before", "")
        jobs = batch_job_list()
        if _id(before):
            jobs = jobs.filter(pk__lt=before)
        some = list(jobs[: A_PAGE + 1])
        may_run = self.request.user.has_perm(RUN_BATCH)
        offered = answerers(self.request.user) if may_run else []
        now = timezone.now()
        lately = {"from": _written(now - datetime.timedelta(days=1)), "until": _written(now)}
        return self.show(
            "batches.html",
            title="Batch jobs",
            status=status,
            socket="" if before else "list=batches",
            jobs=[Shown(job, batch_progress(job=job)) for job in some[:A_PAGE]],
            older=some[A_PAGE - 1].pk if len(some) > A_PAGE else None,
            before=before,
            may_run=may_run,
            most_bytes=files.MOST_BYTES,
            most_said=phrases.size_said(files.MOST_BYTES),
            most_rows=MOST_ROWS,
            examples=[one.slug for one in offered[:EXAMPLES]],
            upload=forms.get("upload") or Form("upload", offered),
            query=forms.get("query") or Form("query", offered, lately),
        )


class UploadView(BatchesView):
    """Starts a job from a file. Its address is also where one goes back to when something was wrong."""

    needs = {"GET": SEE_BATCHES, "POST": RUN_BATCH}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Look at the file's header, keep the file, start."""
        try:
            job = self._start(request)
        except Refused as error:
            return self._again(str(error), error.name)
        except (StorageFull, UploadStorageFull):
            return self._again(str(UploadStorageFull()), "file", HTTPStatus.INSUFFICIENT_STORAGE)
        except ForetellError as error:
            return self._again(str(error), "file")
        return HttpResponseRedirect(reverse("jobs:job", args=[job.pk]))

    def _start(self, request: HttpRequest) -> BatchJob:
        try:
            endpoint, version = chosen(request.user, given(request, "answerer"))
        except ForetellError as error:
            raise Refused("answerer", str(error)) from error
        came = incoming(request, "file")
        if came is None:
            raise Refused("file", "Choose a file.")
        format = _FORMATS.get(Path(came.name).suffix.lower())
        if format not in files.FORMATS:
            raise Refused("file", f"Expected a file that ends in {', '.join(_FORMATS)}; this is {came.name!r}.")
        carried = tuple(name for one in given(request, "carried").split(",") if (name := one.strip()))
        signature = Signature.from_dict(version.manifest["signature"])
        path = Path(came.temporary_file_path())
        header = files.inspect(path, format, signature, carried)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        kept = f"incoming/{uuid.uuid4()}.{format}"
        storage.put(kept, path)
        upload = Upload(
            file=kept,
            file_name=came.name,
            format=format,
            bytes=came.size,
            sha256=digest,
            columns=header.columns,
            carried=carried,
        )
        try:
            return batch_job_create(
                endpoint=endpoint,
                version=version,
                upload=upload,
                actor=request.user.get_username(),
                user=request.user,
            )
        except ForetellError:
            # Not after an error of Postgres: the job may be committed all the same, and then needs its file.
            storage.discard(kept)
            raise

    def _again(self, problem: str, wrong: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> HttpResponse:
        values = {name: self.request.POST.get(name, "") for name in ("answerer", "carried")}
        form = Form("upload", answerers(self.request.user), values, problem, wrong)
        return self.listed(status=status, upload=form)


class QueryView(BatchesView):
    """Starts a job that asks stored predictions again."""

    needs = {"GET": SEE_BATCHES, "POST": RUN_BATCH}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Start."""
        try:
            job = self._start(request)
        except Refused as error:
            return self._again(str(error), error.name)
        except ForetellError as error:
            return self._again(str(error), "")
        return HttpResponseRedirect(reverse("jobs:job", args=[job.pk]))

    def _start(self, request: HttpRequest) -> BatchJob:
        try:
            endpoint, version = chosen(request.user, given(request, "answerer"))
        except ForetellError as error:
            raise Refused("answerer", str(error)) from error
        selection = _selection(request, endpoint)
        actor = request.user.get_username()
        return batch_query_create(
            endpoint=endpoint, version=version, selection=selection, actor=actor, user=request.user
        )

    def _again(self, problem: str, wrong: str) -> HttpResponse:
        names = ("answerer", "then", "device", "from", "until", "limit")
        values = {name: self.request.POST.get(name, "") for name in names}
        form = Form("query", answerers(self.request.user), values, problem, wrong)
        return self.listed(status=422, query=form)


def _selection(request: HttpRequest, endpoint: Endpoint) -> Selection:
    """Which stored predictions a form asks for.

    Raises:
        Refused: a field of it can't be used.
    """
    since, until = _moment(request, "from"), _moment(request, "until")
    if since >= until:
        raise Refused("until", "`Until` must be later than `From`.")
    then, limit = given(request, "then") or None, given(request, "limit")
    if limit and not (limit.isascii() and limit.isdecimal() and len(limit) < 8 and 1 <= int(limit) <= MOST_ROWS):
        raise Refused("limit", f"`At most` expects a whole number from 1 to {MOST_ROWS:,}; got {limit[:40]!r}.")
    try:
        if then is not None:
            version_get(endpoint=endpoint, tag=then)
        device = device_of(request)
    except UnknownVersion as error:
        raise Refused("then", str(error)) from error
    except NotFound as error:
        raise Refused("device", str(error)) from error
    most = int(limit) if limit else MOST_ROWS
    return Selection(since=since, until=until, version=then, device=device, limit=most)


def _moment(request: HttpRequest, name: str) -> datetime.datetime:
    """A form's time, in UTC unless it says another zone.

    Raises:
        Refused: it is none.
    """
    text = given(request, name)
    try:
        moment = datetime.datetime.fromisoformat(text)
        return moment.astimezone(datetime.UTC) if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        raise Refused(name, f"`{name.capitalize()}` expects a date and a time; got {text[:40]!r}.") from None


def _written(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


def _id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
