"""The Celery application: workers and beat start from here, tasks live in `jobs.tasks`."""

import os

from celery import Celery

from jobs.schedules.standing import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("foretell")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()
