"""Batch jobs in the middle of their work: read, begun and left, held up inside a chunk."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.files.storage import storages
from django.db.models.functions import Now

from inference.engine.loader import LoadedModel
from inference.models import Endpoint
from jobs.batch import chunks, reading, shelf
from jobs.leases import Lease
from jobs.models import BatchJob, Chunk
from tests.jobs.orders import order


class Meddled:
    """A model that answers a + b, and does something each time it is asked."""

    name = "meddled"

    def __init__(self, meddle: Callable[[], None]) -> None:
        self._meddle = meddle

    def scores(self, columns: Any) -> Any:
        self._meddle()
        return columns.matrix.sum(axis=1)


def meddle(job: BatchJob, what: Callable[[], None]) -> None:
    """Let something happen whenever the job's version is asked, in the middle of a chunk."""
    model = shelf.loaded(job.version)
    shelf.forget()
    shelf.keep(LoadedModel(model.manifest, model.digest, model.signature, Meddled(what), 0.0))


def line(number: int) -> str:
    return f"{number},1"


def said(rows: int) -> list[tuple[int, Any, str | None]]:
    """The results of lines 0, 1, …"""
    return [(number + 1, {"value": number + 1}, None) for number in range(rows)]


def read(flow: Endpoint, rows: int) -> BatchJob:
    """A job whose input was read."""
    job = order(flow, map(line, range(rows)))
    lease = reading.claim_unread()
    assert lease is not None
    reading.read(lease)
    job.refresh_from_db()
    return job


def begun() -> Lease:
    """A chunk that a worker began and will not end."""
    lease = chunks.claim_waiting()
    assert lease is not None
    return lease


def expire() -> None:
    """Let Postgres's clock pass the end of every lease."""
    past = Now() - datetime.timedelta(milliseconds=1)
    for model in (BatchJob, Chunk):
        model.objects.exclude(leased_until=None).update(leased_until=past)


def objects(job: BatchJob) -> list[str]:
    """What lies in the storage for a job, below its folder."""
    place = Path(storages["uploads"].path(reading.folder(job)))
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
