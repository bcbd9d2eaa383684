"""Batch jobs on the tiny endpoint `flow`, as small as a test likes."""

import hashlib
from collections.abc import Iterable

from inference.models import Endpoint
from jobs import storage
from jobs.models import BatchJob, Result
from jobs.services import Upload, batch_job_create


def upload(lines: Iterable[str], *, columns: tuple[str, ...] = ("a", "b")) -> Upload:
    """A CSV of these lines under a header, in the storage."""
    data = "\n".join([",".join(columns), *lines, ""]).encode()
    digest = hashlib.sha256(data).hexdigest()
    name = f"incoming/{digest}"
    storage.put(name, data)
    carried = tuple(name for name in columns if name not in "ab")
    return Upload(
        file=name,
        file_name="rows.csv",
        format="csv",
        bytes=len(data),
        sha256=digest,
        columns=columns,
        carried=carried,
    )


def order(flow: Endpoint, rows: Iterable[str]) -> BatchJob:
    """A job that asks for these CSV lines."""
    return batch_job_create(endpoint=flow, version=None, upload=upload(rows), actor="ada")


def results(job: BatchJob) -> list[tuple[int, object, str | None]]:
    """Row, output and error of each result, in order."""
    return list(Result.objects.filter(job=job.pk).order_by("row").values_list("row", "output", "error"))
