"""`manage.py batch`: a file, or stored predictions, answered by workers while a terminal looks on."""

import argparse
import datetime
import hashlib
import uuid
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console

from inference.engine.errors import ForetellError, ModelUnavailable
from inference.engine.signature import Signature
from inference.engine.times import moment as moment_of
from inference.errors import NotFound
from inference.management.command import RegistryCommand, command_actor, listed
from inference.models import Endpoint, Role, Version
from inference.selectors import endpoint_get, version_get
from jobs import files, storage
from jobs.batch.downloads import download
from jobs.management.following import follow
from jobs.models import BatchJob
from jobs.phrases import duration_said
from jobs.replay.query import MOST_ROWS, Selection
from jobs.selectors import Progress
from jobs.services import Upload, batch_job_create, batch_query_create

ENDINGS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
INTERRUPTED = 130
_READ_BYTES = 1024 * 1024
_SPANS = {"d": "days", "h": "hours", "m": "minutes"}


class Command(RegistryCommand):
    """Answers many rows. It ends when the job does; Ctrl-C leaves the job alone."""

    help = "Answer a file's rows, or stored predictions anew. Ctrl-C leaves the job running; --follow goes on looking."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Give `--version` to the model: Django's own says Django's version."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        formats = sorted(set(ENDINGS.values()))
        parser.add_argument("endpoint", nargs="?", help="the endpoint's slug")
        parser.add_argument("file", nargs="?", type=Path, help="CSV, NDJSON or Parquet, with the inputs as columns")
        parser.add_argument("--version", dest="tag", metavar="TAG", help="who answers; by default the champion")
        parser.add_argument("--carry", default="", metavar="A,B", help="columns beside the inputs, kept in the results")
        parser.add_argument("--format", choices=formats, help="the file's; by default what its name ends in")
        parser.add_argument("--out", type=Path, metavar="FILE", help="write the results there, as its name ends in")
        parser.add_argument("--follow", metavar="ID", help="go on looking at a job, and write its results to --out")
        query = parser.add_argument_group("stored predictions instead of a file")
        query.add_argument("--since", type=_moment, metavar="WHEN", help="7d, 12h, or 2026-11-22T12:00:00Z")
        query.add_argument("--until", type=_moment, metavar="WHEN", help="by default now")
        query.add_argument("--answered-by", metavar="TAG", help="only what this version answered then")
        query.add_argument("--device", metavar="NAME", help="only what this device sent")
        query.add_argument("--limit", type=int, default=MOST_ROWS, metavar="N", help="the latest so many")

    def run(self, **options: Any) -> None:
        """Ask for a job, or look for one, and follow it to its end."""
        if options["out"] is not None and options["out"].suffix not in ENDINGS:
            raise CommandError(f"--out must end in {', '.join(ENDINGS)}; it is {str(options['out'])!r}.")
        job = self._job(options)
        try:
            progress = follow(job, say=self.stdout.write, console=Console())
        except KeyboardInterrupt:
            self.stderr.write(f"The job goes on without you. Look again: manage.py batch --follow {job.pk}")
            raise SystemExit(INTERRUPTED) from None
        self._end(job, progress, options["out"])

    def _job(self, options: dict[str, Any]) -> BatchJob:
        if options["follow"] is not None:
            return _known(options["follow"])
        if options["endpoint"] is None or (options["file"] is None) == (options["since"] is None):
            raise CommandError("Say an endpoint, and either a file or --since WHEN; or --follow ID alone.")
        endpoint = endpoint_get(slug=options["endpoint"])
        version = version_get(endpoint=endpoint, tag=options["tag"]) if options["tag"] else None
        made = _of_file if options["file"] is not None else _of_query
        job = made(endpoint, version, options)
        self.stdout.write(f"Job {job.pk}: {endpoint.slug}, answered by {job.version.tag}.")
        return job

    def _end(self, job: BatchJob, progress: Progress, out: Path | None) -> None:
        """Say what came of it, and write the results."""
        if job.state == BatchJob.State.PAUSED:
            raise CommandError(f"The job is paused. {job.detail}".strip())
        if job.state != BatchJob.State.DONE:
            reason = f"{job.code}: {job.detail}" if job.code else job.state
            raise CommandError(f"The job did not come to its end. {reason}")
        took = duration_said((job.finished_at - job.started_at).total_seconds())
        self.stdout.write(f"{progress.rows:,} rows in {took}: {progress.ok:,} ok.")
        for code, count in progress.errors.items():
            self.stdout.write(f"  {code}: {count:,}")
        if out is not None:
            _write(out, job)
            self.stdout.write(f"Results are in {out}.")


def _known(id: str) -> BatchJob:
    try:
        job = BatchJob.objects.select_related("endpoint", "version").filter(pk=uuid.UUID(id)).first()
    except ValueError:
        job = None
    if job is None:
        raise NotFound(f"Batch job {id[:64]!r}")
    return job


def _of_file(endpoint: Endpoint, version: Version | None, options: dict[str, Any]) -> BatchJob:
    """A job of a file, which is looked at before it is put into the storage."""
    path: Path = options["file"]
    format = options["format"] or ENDINGS.get(path.suffix.lower())
    if format is None:
        raise CommandError(f"What is {str(path)!r} written in? Say --format, or name it {' or '.join(ENDINGS)}.")
    version = version or _champion(endpoint)
    carried = tuple(listed(options["carry"]))
    try:
        header = files.inspect(path, format, Signature.from_dict(version.manifest["signature"]), carried)
        digest = _sha256(path)
        name = f"incoming/{uuid.uuid4()}.{format}"
        storage.put(name, path)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error
    upload = Upload(
        file=name,
        file_name=path.name,
        format=format,
        bytes=path.stat().st_size,
        sha256=digest,
        columns=header.columns,
        carried=carried,
    )
    try:
        return batch_job_create(endpoint=endpoint, version=version, upload=upload, actor=command_actor("batch"))
    except ForetellError:
        storage.discard(name)
        raise


def _of_query(endpoint: Endpoint, version: Version | None, options: dict[str, Any]) -> BatchJob:
    selection = Selection(
        since=options["since"],
        until=options["until"] or timezone.now(),
        version=options["answered_by"],
        device=options["device"],
        limit=options["limit"],
    )
    actor = command_actor("batch")
    return batch_query_create(endpoint=endpoint, version=version, selection=selection, actor=actor)


def _champion(endpoint: Endpoint) -> Version:
    live = endpoint.deployments.filter(role=Role.CHAMPION, ended_at=None).select_related("version__endpoint").first()
    if live is None:
        raise ModelUnavailable(f"Endpoint {endpoint.slug!r}", "no version is live")
    return live.version


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _write(out: Path, job: BatchJob) -> None:
    """Write the results whole or not at all."""
    made = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    try:
        try:
            with made.open("xb") as file:
                for piece in download(job=job, format=ENDINGS[out.suffix]).pieces:
                    file.write(piece)
            made.replace(out)
        finally:
            made.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{out} can't be written: {error.strerror}. Try --follow {job.pk} --out again.") from error


def _moment(text: str) -> datetime.datetime:
    """A time that is over: a span before now (`7d`, `12h`, `30m`), or a time with its zone.

    Raises:
        ArgumentTypeError: it is neither.
    """
    if text[:-1].isdecimal() and len(text) <= 6 and text[-1:] in _SPANS:
        return timezone.now() - datetime.timedelta(**{_SPANS[text[-1]]: int(text[:-1])})
    try:
        return moment_of(text, ("when",))
    except ForetellError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time. Say 7d, 12h or 2026-11-22T12:00:00Z.") from None
