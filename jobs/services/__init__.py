"""Everything that starts or changes jobs. Each function is one transaction; who may call it is decided before."""

from jobs.services.batch import (
    Upload,
    batch_job_cancel,
    batch_job_create,
    batch_job_expire,
    batch_job_pause,
    batch_job_resume,
    batch_job_retry,
)
from jobs.services.queries import batch_query_create
from jobs.services.retention import retention_apply
from jobs.services.schedules import schedule_change, schedule_create, schedule_delete
from jobs.services.slots import schedule_start, schedules_look
from jobs.services.training import (
    training_run_approve,
    training_run_cancel,
    training_run_reject,
    training_run_start,
)

__all__ = [
    "Upload",
    "batch_job_cancel",
    "batch_job_create",
    "batch_job_expire",
    "batch_job_pause",
    "batch_job_resume",
    "batch_job_retry",
    "batch_query_create",
    "retention_apply",
    "schedule_change",
    "schedule_create",
    "schedule_delete",
    "schedule_start",
    "schedules_look",
    "training_run_approve",
    "training_run_cancel",
    "training_run_reject",
    "training_run_start",
]
