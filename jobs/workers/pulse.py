"""A sign of life from processes that answer no request: worker and beat touch a file as long as they work."""

from pathlib import Path
from typing import Any

from celery.signals import heartbeat_sent
from django.conf import settings
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry


def touch() -> None:
    """Touch PULSE_FILE, if one is given."""
    path: Path | None = settings.PULSE_FILE
    if path is not None:
        path.touch()


class Entry(ModelEntry):
    """One row of beat's table."""

    def save(self) -> None:
        """Write down when it was started last, and nothing else.

        The library writes the whole row as it was read, which would undo what somebody changed meanwhile.
        """
        row = type(self.model).objects.filter(pk=self.model.pk)
        row.update(last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count)


class Scheduler(DatabaseScheduler):
    """Beat's scheduler, with the schedule in Postgres."""

    Entry = Entry

    def enabled_models_qs(self) -> QuerySet[PeriodicTask]:
        """Every enabled row.

        The library leaves out rows whose hour is not near, and so a daily slot that was missed would wait for a day.
        """
        enabled: QuerySet[PeriodicTask] = self.Model.objects.enabled()
        return enabled

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Start what is due, and say how long to sleep: 5 s at most."""
        touch()
        return super().tick(*args, **kwargs)


@heartbeat_sent.connect
def _worker_lives(**_: Any) -> None:
    """Sent every two seconds by a worker whose main loop turns and whose connection to Redis works."""
    touch()
