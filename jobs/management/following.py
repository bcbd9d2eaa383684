"""A batch job followed from a terminal until it is over: a bar that moves there, lines elsewhere."""

import datetime
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn

from jobs.models import BatchJob, Worker
from jobs.phrases import duration_said, progress_said
from jobs.selectors import Progress as Done
from jobs.selectors import batch_progress

EVERY_S = 0.25
LINE_S = 5.0
"""Where there is no terminal, a line comes so often while nothing but numbers change."""
SILENT_S = 30
OVER = (BatchJob.State.DONE, BatchJob.State.FAILED, BatchJob.State.CANCELLED)
_FOLLOWED = ("state", "rows", "code", "detail", "started_at", "resumed_at", "finished_at")
_NO_WORKER = "No worker was heard of for 30 s. Is one running? `make up` starts them."
_AWAY = "Postgres does not answer. Waiting."


def follow(job: BatchJob, *, say: Callable[[str], object], console: Console) -> Done:
    """Show how far a job is until it is over or paused; its row is up to date then.

    While Postgres is away it waits: the job goes on where it was.

    Args:
        say: told in lines where `console` is no terminal.
    """
    shown: Bar | Lines = Bar(console) if console.is_terminal else Lines(say)
    with shown:
        while True:
            try:
                job.refresh_from_db(fields=_FOLLOWED)
                progress = batch_progress(job=job)
                shown.draw(job, progress, hint="" if job.state in OVER or _worked_on() else _NO_WORKER)
            except (OperationalError, InterfaceError):
                connection.close()
                shown.tell(_AWAY)
            else:
                if job.state in (*OVER, BatchJob.State.PAUSED):
                    return progress
            time.sleep(EVERY_S)


class Lines:
    """How far a job is, in lines."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._state = ""
        self._told = ""
        self._next_s = 0.0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def draw(self, job: BatchJob, progress: Done, hint: str) -> None:
        """Say it if the state is another one, or something has changed for a while."""
        if job.state != self._state or time.monotonic() >= self._next_s:
            self._state = job.state
            self.tell(f"{progress_said(job.state, progress)} {hint}".strip())

    def tell(self, text: str) -> None:
        """Say something unless it was just said."""
        if text != self._told:
            self._told = text
            self._say(text)
            self._next_s = time.monotonic() + LINE_S


class Bar:
    """How far a job is, as a bar with rows, rate, time left and errors."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            console=console,
        )
        self._task: TaskID = self._progress.add_task("", total=None, said="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def draw(self, job: BatchJob, progress: Done, hint: str) -> None:
        """Draw it anew."""
        failed = sum(progress.errors.values())
        said = [
            f"{progress.rows_per_s:,.0f}/s" if progress.rows_per_s else "",
            f"{duration_said(progress.eta_s)} left" if progress.eta_s is not None else "",
            f"[red]{failed:,} errors[/]" if failed else "",
            f"[yellow]{hint}[/]" if hint else "",
        ]
        self._progress.update(
            self._task,
            description=job.state,
            total=progress.rows,
            completed=progress.done,
            said=" ".join(word for word in said if word),
        )

    def tell(self, text: str) -> None:
        """Say something beside the bar."""
        self._progress.update(self._task, said=f"[yellow]{text}[/]")


def _worked_on() -> bool:
    """Whether a worker was heard of lately."""
    return Worker.objects.filter(seen_at__gt=Now() - datetime.timedelta(seconds=SILENT_S)).exists()
