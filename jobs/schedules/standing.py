"""What beat starts by itself, and when. Beat writes it into its tables at each start, where people see it.

Schedules that people make stand beside it in the same tables (`jobs/schedules/rows.py`). Everything here may be started
twice or late: each task does what is to be done at that moment, or nothing.
"""

from celery.schedules import crontab

# A message that waits until the next one is due has nothing left to do: it expires then.
SCHEDULE = {
    "partitions": {
        "task": "jobs.partitions_maintain",
        "schedule": crontab(minute="17"),
        "options": {"expire_seconds": 3600},
    },
    "retention": {
        "task": "jobs.retention_apply",
        "schedule": crontab(minute="37"),
        "options": {"expire_seconds": 3600},
    },
    "schedules": {"task": "jobs.schedules_look", "schedule": crontab(), "options": {"expire_seconds": 60}},
    "sweeper": {"task": "jobs.sweep", "schedule": 10.0, "options": {"expire_seconds": 10}},
}
"""Celery's `beat_schedule`."""
