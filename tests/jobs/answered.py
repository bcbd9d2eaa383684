"""Stored predictions of the tiny endpoint `flow`, as its versions would have given them."""

import datetime
import uuid
from collections.abc import Sequence

from inference import ids
from inference.models import Device, Endpoint, Prediction, Source, Version


def store(
    endpoint: Endpoint,
    rows: Sequence[Sequence[float]],
    *,
    slope: float = 1.0,
    version: Version | None = None,
    device: Device | None = None,
    at: datetime.datetime | None = None,
    every: datetime.timedelta = datetime.timedelta(milliseconds=1),
) -> list[Prediction]:
    """Store a prediction a row: slope · (sum of the inputs), the first at a moment, by default just now."""
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
    return Prediction.objects.bulk_create(made, batch_size=2000)
