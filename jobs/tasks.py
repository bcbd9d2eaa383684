"""The Celery tasks. Each says when it is tried again and calls one module that knows no Celery."""

from typing import TypedDict

from celery import shared_task
from django.conf import settings
from django.db import OperationalError

from inference import partitions


class PartitionsMaintained(TypedDict):
    """What `partitions_maintain` did: the names of partitions, and how many rows have none (at most 1,000 counted)."""

    made: list[str]
    dropped: list[str]
    stray_rows: int


@shared_task(
    name="jobs.partitions_maintain",
    autoretry_for=(OperationalError,),
    retry_backoff=5,
    retry_backoff_max=300,
    max_retries=5,
)
def partitions_maintain() -> PartitionsMaintained:
    """Make the partitions of the coming week, and drop those older than the retention."""
    return PartitionsMaintained(
        made=partitions.ensure(),
        dropped=partitions.expire(settings.RETENTION_DAYS),
        stray_rows=partitions.stray_rows(),
    )
