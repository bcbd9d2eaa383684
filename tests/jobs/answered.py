"""Stored predictions of the tiny endpoint `flow`, as its versions would have given them."""

import datetime
import uuid
from collections.abc import Sequence

from django.db import connection

from inference import ids
from inference.models import Device, Endpoint, Prediction, Source, Version
from tests.project.children import until


def store(
    endpoint: Endpoint,
    rows: Sequence[Sequence[float]],
    *,
    slope: float = 1.0,
    version: Version | None = None,
    device: Device | None = None,
    at: datetime.datetime | None = None,
    every: datetime.timedelta = datetime.timedelta(milliseconds=1),
    settled: bool = True,
) -> list[Prediction]:
    """Store a prediction a row: slope · (sum of the inputs), the first at a moment, by default just now.

    Args:
        settled: wait until they count as such.
    """
    version = version or endpoint.versions.get(major=1, minor=0, patch=0)
    at = at or datetime.datetime.now(datetime.UTC) - every * len(rows)
    made = [
        Prediction(
            id=uuid.UUID(int=ids.floor(at + place * every).int | 7 << 76 | 1 << 63 | place),
            endpoint=endpoint,
            version=version,
            device=device,
            source=Source.REST,
            request_id=uuid.uuid4(),
            features=list(row),
            output={"value": slope * sum(row)},
        )
        for place, row in enumerate(rows)
    ]
    stored = Prediction.objects.bulk_create(made, batch_size=2000)
    if settled:
        settle()
    return stored


def settle() -> None:
    """Wait until what is stored counts as settled: no transaction that began to write before it goes on.

    A web process writes each second that it lives, and Postgres its statistics.
    """
    until(_settled)


def _settled() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(now) = pg_snapshot_xmax(now) FROM pg_current_snapshot() AS now")
        return bool(cursor.fetchone()[0])
