"""Schedulers of beats inside the test process."""

from jobs.workers.pulse import Scheduler
from project.celery import app


def new_scheduler() -> Scheduler:
    """One as beat makes it, which writes nothing when the process ends: its database is gone by then."""
    made = Scheduler(app=app)
    made._finalize.cancel()
    return made
