"""What beat starts by itself, and when. Beat writes it into its tables at each start, where people see it."""

from celery.schedules import crontab

SCHEDULE = {
    "partitions": {
        "task": "jobs.partitions_maintain",
        "schedule": crontab(minute="17"),
        # A run that waited for a worker until the next one is due has nothing left to do.
        "options": {"expires": 3600},
    },
    "sweeper": {"task": "jobs.sweep", "schedule": 10.0, "options": {"expires": 10}},
}
"""Celery's `beat_schedule`."""
