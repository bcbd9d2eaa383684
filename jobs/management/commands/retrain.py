"""Retrain a version: `manage.py retrain ENDPOINT ALGORITHM`."""

import datetime
import threading
import time
import uuid
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from inference.errors import NotFound
from inference.management.command import RegistryCommand, command_actor
from inference.selectors import endpoint_get
from jobs.models import RunLine, TrainingRun
from jobs.services.training import training_run_start
from jobs.training import runs

LOOK_S = 0.5
PATIENCE_S = 15.0
_NO_WORKER = "No worker has begun yet. Does one run that trains? `make up` starts them; or cancel it, and use --here."
State = TrainingRun.State
_GOOD = (State.DEPLOYED, State.REGISTERED, State.WAITING)


class Command(RegistryCommand):
    """Asks for a training run and shows its log until it is over. A worker does the run, or this process."""

    help = (
        "Retrain an algorithm on its base data and on feedback, and show the run's log. Exit code 1 unless a version "
        "went live, was published, or waits for approval. Ctrl-C leaves the run to its worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("endpoint", help="the endpoint's slug")
        parser.add_argument("algorithm", help="the algorithm's name, random_forest of random_forest-1.0.0")
        parser.add_argument("--reason", default="asked for by command", help="why, for the history")
        data = parser.add_mutually_exclusive_group()
        data.add_argument("--days", type=float, help="learn from feedback of the last so many days; all if left out")
        data.add_argument("--data-of", type=uuid.UUID, metavar="RUN", help="learn from that run's frozen data instead")
        parser.add_argument("--here", action="store_true", help="do it in this process, not in a worker")

    def run(
        self,
        *,
        endpoint: str,
        algorithm: str,
        reason: str,
        days: float | None,
        data_of: uuid.UUID | None,
        here: bool,
        **_: Any,
    ) -> None:
        """Start the run, and follow it."""
        run = training_run_start(
            endpoint=endpoint_get(slug=endpoint),
            algorithm=algorithm,
            actor=command_actor("retrain"),
            reason=reason,
            feedback_since=None if days is None else timezone.now() - datetime.timedelta(days=days),
            repeated=None if data_of is None else _run(data_of),
        )
        self.stdout.write(f"training run {run.pk}")
        over = threading.Event()
        follower = threading.Thread(target=self._follow, args=(run, over), name="log", daemon=True)
        follower.start()
        if here:
            mine = True
            try:
                mine = runs.work(run=run)
            finally:
                # A worker that was sooner has it now: its log is followed as if `--here` had not been said.
                if mine:
                    over.set()
        follower.join()
        run.refresh_from_db()
        if run.state not in _GOOD:
            raise CommandError(_why(run))
        self.stdout.write(f"{run.state}: {run.candidate.tag if run.candidate else ''} {run.detail}".strip())

    def _follow(self, run: TrainingRun, over: threading.Event) -> None:
        """Print the log's lines as they come, until the run is over. While Postgres is away it waits."""
        last, asked_s, told = 0, time.monotonic(), False
        try:
            while True:
                ended = over.wait(LOOK_S)
                try:
                    state = TrainingRun.objects.values_list("state", flat=True).get(pk=run.pk)
                    for line in RunLine.objects.filter(run=run, pk__gt=last).order_by("pk"):
                        self.stdout.write(f"{line.at:%H:%M:%S} {line.text}")
                        last = line.pk
                    if state == State.QUEUED and not told and time.monotonic() - asked_s > PATIENCE_S:
                        told = True
                        self.stdout.write(_NO_WORKER)
                except (OperationalError, InterfaceError):
                    connection.close()
                    time.sleep(LOOK_S)
                    continue
                if ended or state not in (State.QUEUED, State.RUNNING):
                    return
        finally:
            connection.close()


def _why(run: TrainingRun) -> str:
    """Why there is no version, or none yet."""
    if run.state == State.REFUSED:
        failed = ", ".join(one["rule"] for one in run.gate.get("verdicts", []) if not one["passed"])
        return f"refused by the gate: {failed}. The log above has what was found, and params.toml the bounds."
    if run.state == State.RUNNING:
        return f"Training run {run.pk} was left at its step {run.step!r}. A worker goes on with it within a minute."
    return f"{run.state}: {run.code} {run.detail}".replace("  ", " ").strip()


def _run(id: uuid.UUID) -> TrainingRun:
    run = TrainingRun.objects.filter(pk=id).first()
    if run is None:
        raise NotFound(f"Training run {id}")
    return run
