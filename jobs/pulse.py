"""A sign of life from processes that answer no request: worker and beat touch a file as long as they work."""

from pathlib import Path
from typing import Any

from celery.signals import heartbeat_sent
from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler


def touch() -> None:
    """Touch PULSE_FILE, if one is given."""
    path: Path | None = settings.PULSE_FILE
    if path is not None:
        path.touch()


class Scheduler(DatabaseScheduler):
    """Beat's scheduler, with the schedule in Postgres."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Start what is due, and say how long to sleep: 5 s at most."""
        touch()
        return super().tick(*args, **kwargs)


@heartbeat_sent.connect
def _worker_lives(**_: Any) -> None:
    """Sent every two seconds by a worker whose main loop turns and whose connection to Redis works."""
    touch()
