"""What the API reads from the database, in SQL for the async pool: these views never touch the ORM."""

import datetime
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from inference.database import Database
from inference.engine.signature import Signature
from inference.ids import time_of
from inference.models import Source

_SIGNATURE = "SELECT signature::text FROM inference_endpoint WHERE id = %s"
_VERSIONS = """
SELECT algorithm || '-' || major || '.' || minor || '.' || patch, digest, origin, created_at
FROM inference_version
WHERE endpoint_id = %s
ORDER BY algorithm, major DESC, minor DESC, patch DESC
LIMIT 1000
"""
_PREDICTION = """
SELECT e.slug, v.algorithm || '-' || v.major || '.' || v.minor || '.' || v.patch,
       (v.manifest -> 'signature' -> 'inputs')::text, p.features::text, p.output::text, p.error, p.warnings::text,
       p.source, d.name, p.request_id, p.client_id, p.subject, p.device_time
FROM inference_prediction p
JOIN inference_endpoint e ON e.id = p.endpoint_id
JOIN inference_version v ON v.id = p.version_id
LEFT JOIN inference_device d ON d.id = p.device_id
WHERE p.id = %s
"""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version of an endpoint, live or not."""

    tag: str
    digest: str
    origin: str
    created_at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRecord:
    """A stored prediction as the API shows it. `output` is None when `error` says why there is none."""

    id: UUID
    endpoint: str
    version: str
    features: dict[str, Any]
    output: msgspec.Raw | None
    error: str | None
    warnings: list[str]
    source: str
    device: str | None
    request_id: UUID
    client_id: str | None
    subject: str | None
    device_time: datetime.datetime | None
    predicted_at: datetime.datetime
    stored: bool = True


async def endpoint_signature(database: Database, *, endpoint_id: int) -> Signature:
    """The signature an endpoint is known by, also while no version of it is live."""
    [(text,)] = await database.fetch(_SIGNATURE, (endpoint_id,))
    return Signature.from_dict(msgspec.json.decode(text))


async def endpoint_versions(database: Database, *, endpoint_id: int) -> list[VersionRecord]:
    """The versions of an endpoint: by algorithm, the newest first."""
    return [VersionRecord(*columns) for columns in await database.fetch(_VERSIONS, (endpoint_id,))]


async def prediction(database: Database, *, prediction_id: UUID) -> PredictionRecord | None:
    """The stored prediction of that id, whoever asks; None if there is none."""
    rows = await database.fetch(_PREDICTION, (prediction_id,))
    if not rows:
        return None
    (slug, tag, inputs, values, output, error, warnings, source, device, *rest) = rows[0]
    names = [one["name"] for one in msgspec.json.decode(inputs)]
    request_id, client_id, subject, device_time = rest
    return PredictionRecord(
        id=prediction_id,
        endpoint=slug,
        version=tag,
        features=dict(zip(names, msgspec.json.decode(values), strict=True)),
        output=None if output is None else msgspec.Raw(output.encode()),
        error=error,
        warnings=[] if warnings is None else msgspec.json.decode(warnings),
        source=Source(source).label.lower(),
        device=device,
        request_id=request_id,
        client_id=client_id,
        subject=subject,
        device_time=device_time,
        predicted_at=time_of(prediction_id),
    )
