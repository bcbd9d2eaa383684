"""Jobs and runs as the API shows them."""

from dataclasses import asdict
from typing import Any

from jobs.models import BatchJob, Result
from jobs.selectors import Progress


def job_shown(job: BatchJob, progress: Progress | None = None) -> dict[str, Any]:
    """A batch job; with its progress where that was asked for."""
    upload = {"name": job.file_name, "bytes": job.file_bytes, "sha256": job.file_sha256}
    shown = {
        "id": job.pk,
        "endpoint": job.endpoint.slug,
        "version": job.version.tag,
        "kind": job.kind,
        "format": job.format,
        "state": job.state,
        "code": job.code or None,
        "detail": job.detail or None,
        "file": upload if job.kind == BatchJob.Kind.UPLOAD else None,
        "query": job.selection,
        "carry": job.carried,
        "rows": job.rows,
        "created_at": job.created_at,
        "created_by": job.created_by,
        "schedule": job.schedule or None,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "expired_at": job.expired_at,
    }
    return shown if progress is None else shown | {"progress": asdict(progress)}


def result_shown(result: Result) -> dict[str, Any]:
    """What one row came to."""
    return {
        "row": result.row,
        "status": "ok" if result.error is None else "error",
        "output": result.output,
        "error": result.error,
        "detail": result.detail,
    }
