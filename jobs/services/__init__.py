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

__all__ = [
    "Upload",
    "batch_job_cancel",
    "batch_job_create",
    "batch_job_expire",
    "batch_job_pause",
    "batch_job_resume",
    "batch_job_retry",
]
