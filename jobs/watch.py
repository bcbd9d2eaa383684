"""The socket of the pages of jobs: how far work is, as pictures. It carries pictures, never data.

The truth is in Postgres, so it is asked there, once a second for all who watch in this process together, and only
while somebody does. Redis has no part in it.
"""

import asyncio
import datetime
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from django.db.models import Q
from django.utils import timezone

from inference.errors import NotFound
from inference.permissions import SEE_BATCHES, SEE_TRAININGS
from inference.sockets.pictures import PictureConsumer, door
from jobs.models import BatchJob, RunLine, TrainingRun
from jobs.phrases import failed_said, progress_said
from jobs.selectors import batch_progress

EVERY_S = 1.0
LOST_AFTER_S = 5.0
"""Without news from Postgres for so long, a page is told so."""
MOST_LISTED = 50
MOST_LINES = 500
STILL_SHOWN_S = 30
"""For so long a list goes on telling of what is over."""

BATCHES, TRAININGS, JOB, RUN = "batches", "trainings", "job", "run"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page shows: one of the lists, or one job or run."""

    kind: str
    id: uuid.UUID | None = None

    @property
    def permission(self) -> str:
        """What one needs to look at it."""
        return SEE_BATCHES if self.kind in (BATCHES, JOB) else SEE_TRAININGS


@dataclass(frozen=True, slots=True)
class News:
    """What Postgres said: a picture of each subject, and the new lines of each run's log."""

    pictures: Mapping[Subject, dict[str, Any]]
    lines: Mapping[uuid.UUID, list[dict[str, Any]]] = field(default_factory=dict)


class JobsConsumer(PictureConsumer):
    """Serves `/ws/v1/jobs`: `?list=trainings`, `?job=ID` or `?run=ID&after=LINE`; without, the list of batch jobs."""

    # It hears of nothing but what is polled, so it must not need the channel layer, which needs Redis.
    channel_layer_alias = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subject = Subject(BATCHES)
        self.after = 0
        self._picture: dict[str, Any] | None = None
        self._lines: list[dict[str, Any]] = []
        self._heard_s = time.monotonic()

    async def connect(self) -> None:
        """Let in who may look at what they ask for.

        Raises:
            NotFound: it is not there.
        """
        self.subject, self.after = _asked(self.scope["query_string"].decode("latin-1"))
        await super().connect()
        POLL.add(self)

    async def disconnect(self, code: int) -> None:
        """End what runs for this socket."""
        POLL.discard(self)
        await super().disconnect(code)

    def may_watch(self, user: Any) -> bool:
        """Who may see the one or the other kind of work; it must still be there."""
        if not user.has_perm(self.subject.permission):
            return False
        model = {JOB: BatchJob, RUN: TrainingRun}.get(self.subject.kind)
        if model is not None and not model.objects.filter(pk=self.subject.id).exists():
            raise NotFound(f"{model._meta.verbose_name.capitalize()} {self.subject.id}")
        return True

    def take(self, news: News | None) -> None:
        """Hear how things are; None when Postgres could not be asked."""
        picture = None if news is None else news.pictures.get(self.subject)
        if news is not None:
            self._heard_s = time.monotonic()
            self._lines = news.lines.get(self.subject.id, []) if self.subject.id else []
        if picture != self._picture or self._unsent():
            self._picture = picture
            self.changed()

    def draw(self) -> dict[str, Any]:
        """The newest picture; of a run with the lines that were not sent yet."""
        if self._picture is None or time.monotonic() - self._heard_s > LOST_AFTER_S:
            return {"type": "lost"}
        if self.subject.kind != RUN:
            return self._picture
        lines = self._unsent()
        self.after = lines[-1]["id"] if lines else self.after
        return self._picture | {"lines": lines}

    def _unsent(self) -> list[dict[str, Any]]:
        return [line for line in self._lines if line["id"] > self.after]


class Poll:
    """Asks Postgres for all watchers of a process. It runs from the first one's coming to the last one's going."""

    def __init__(self) -> None:
        self._watchers: set[JobsConsumer] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether somebody watches."""
        return self._task is not None and not self._task.done()

    def add(self, watcher: JobsConsumer) -> None:
        """Tell one more how things are."""
        self._watchers.add(watcher)
        if not self.runs:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="jobs")

    def discard(self, watcher: JobsConsumer) -> None:
        """Tell them no more."""
        self._watchers.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            # It ends only when it has heard from Postgres; who comes before that needs another one.
            self._task = None

    async def _run(self) -> None:
        while True:
            asked, news = tuple(self._watchers), None
            try:
                news = await _look([(one.subject, one.after) for one in asked])
            except Exception as error:  # noqa: BLE001 - Postgres is away: the pages are told, and it is asked again
                logger.info("how jobs are could not be asked", reason=repr(error))
            # Not those who came meanwhile: of a run's lines they would miss those that the others have had.
            for watcher in self._watchers.intersection(asked):
                watcher.take(news)
            await asyncio.sleep(EVERY_S)


POLL = Poll()


def job_mark(job: BatchJob, *, errors: bool) -> str:
    """A word that is another one whenever a job's page has something new to show besides its progress."""
    reported = BatchJob.objects.filter(pk=job.pk, report__isnull=False).exists()
    return f"{job.state} {errors:d} {reported:d} {job.expired_at is not None:d}"


def run_mark(run: TrainingRun) -> str:
    """As `job_mark`, for a training run."""
    told = TrainingRun.objects.filter(pk=run.pk).values_list(~Q(data={}), ~Q(gate={}), ~Q(report={})).first() or ()
    return f"{run.state} {run.step} {run.candidate_id} {' '.join(str(int(one)) for one in told)}"


async def _look(watchers: Collection[tuple[Subject, int]]) -> News:
    # In a thread of its own: a Postgres that hangs must not hold up the threads that answer pages.
    return await database_sync_to_async(_news, thread_sensitive=False)(watchers)


def _news(watchers: Collection[tuple[Subject, int]]) -> News:
    pictures, lines = {}, {}
    for subject in {subject for subject, _ in watchers}:
        picture = _PICTURES[subject.kind](subject)
        if picture is not None:
            pictures[subject] = picture
        if subject.kind == RUN:
            lines[subject.id] = _lines(subject.id, min(after for one, after in watchers if one == subject))
    return News(pictures, lines)


def _batches(subject: Subject) -> dict[str, Any]:
    states = BatchJob.State
    open_ = Q(state__in=[states.QUEUED, states.READING, states.RUNNING, states.PAUSED])
    jobs = BatchJob.objects.filter(open_ | _just_over()).defer("report")[:MOST_LISTED]
    return {"type": BATCHES, "jobs": [_described(job) for job in jobs]}


def _trainings(subject: Subject) -> dict[str, Any]:
    states = TrainingRun.State
    open_ = Q(state__in=[states.QUEUED, states.RUNNING, states.WAITING])
    runs = TrainingRun.objects.filter(open_ | _just_over()).only("state", "step")[:MOST_LISTED]
    return {"type": TRAININGS, "runs": [{"id": run.pk, "mark": f"{run.state} {run.step}"} for run in runs]}


def _job(subject: Subject) -> dict[str, Any] | None:
    job = BatchJob.objects.filter(pk=subject.id).defer("report").first()
    if job is None:
        return None
    said = _described(job)
    return {"type": JOB} | said | {"mark": job_mark(job, errors=bool(said["progress"]["errors"]))}


def _run(subject: Subject) -> dict[str, Any] | None:
    run = TrainingRun.objects.filter(pk=subject.id).only("state", "step", "candidate").first()
    return None if run is None else {"type": RUN, "id": run.pk, "mark": run_mark(run)}


_PICTURES = {BATCHES: _batches, TRAININGS: _trainings, JOB: _job, RUN: _run}


def _described(job: BatchJob) -> dict[str, Any]:
    progress = batch_progress(job=job)
    return {
        "id": job.pk,
        "state": job.state,
        "mark": job.state,
        "progress": asdict(progress),
        "said": progress_said(job.state, progress),
        "failed": failed_said(progress),
    }


def _just_over() -> Q:
    return Q(finished_at__gte=timezone.now() - datetime.timedelta(seconds=STILL_SHOWN_S))


def _lines(run: uuid.UUID | None, after: int) -> list[dict[str, Any]]:
    return list(RunLine.objects.filter(run=run, id__gt=after).values("id", "at", "text")[:MOST_LINES])


def _asked(query: str) -> tuple[Subject, int]:
    """What the address asks for, and after which line of a log.

    Raises:
        NotFound: it is no id, or says too much.
    """
    try:
        given = {name: values[-1] for name, values in parse_qs(query, max_num_fields=10).items()}
        for kind in (JOB, RUN):
            if kind in given:
                return Subject(kind, uuid.UUID(given[kind])), int(given.get("after", 0))
    except ValueError:
        raise NotFound("What this address asks for") from None
    return Subject(TRAININGS if given.get("list") == TRAININGS else BATCHES), 0


jobs = door(JobsConsumer)
"""Serves `/ws/v1/jobs`."""
