"""Jobs and runs as the API shows them."""

from dataclasses import asdict
from typing import Any

import msgspec

from jobs.models import BatchJob, Result, RunLine, TrainingRun
from jobs.schedules.rows import Schedule
from jobs.selectors import Progress

_INTERNAL = ("file", "candidate")
"""What a run keeps of where its files lie."""


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


def run_shown(run: TrainingRun) -> dict[str, Any]:
    """A training run in short."""
    return {
        "id": run.pk,
        "endpoint": run.endpoint.slug,
        "algorithm": run.algorithm,
        "policy": run.policy,
        "state": run.state,
        "step": run.step,
        "reason": run.reason,
        "feedback_since": run.feedback_since,
        "champion": None if run.champion is None else run.champion.tag,
        "candidate": None if run.candidate is None else run.candidate.tag,
        "code": run.code or None,
        "detail": run.detail or None,
        "decided_by": run.decided_by or None,
        "created_at": run.created_at,
        "created_by": run.created_by,
        "schedule": run.schedule or None,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def run_told(run: TrainingRun) -> dict[str, Any]:
    """A training run with its data, what the gate said, and what was measured."""
    data = {name: value for name, value in run.data.items() if name not in _INTERNAL}
    return run_shown(run) | {"data": data, "gate": run.gate, "report": run.report}


def line_shown(line: RunLine) -> dict[str, Any]:
    """One line of a run's log."""
    return {"id": line.pk, "at": line.at, "text": line.text}


def schedule_shown(schedule: Schedule) -> dict[str, Any]:
    """A schedule, when it is due next, and what came of its latest slot."""
    latest = schedule.latest
    started = None
    if latest is not None:
        started = {
            "slot": latest.slot,
            "due_at": latest.due_at,
            "started": latest.started_id,
            "code": latest.code or None,
            "detail": latest.detail or None,
        }
    return {
        "name": schedule.name,
        "endpoint": schedule.endpoint,
        "plan": msgspec.to_builtins(schedule.plan),
        "crontab": schedule.crontab,
        "zone": schedule.zone,
        "enabled": schedule.enabled,
        "next_at": schedule.next_at,
        "latest": started,
        "created_by": schedule.created_by,
        "since": schedule.since,
    }
