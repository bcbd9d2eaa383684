"""The Celery application: workers and beat start from here, tasks live in `jobs.tasks`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from jobs.schedules.standing import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("foretell")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()


@setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Leave logging as Django has set it up: Celery does so where this signal is heard."""
