"""What a retraining learns from: the base data of git, and what was said to be true of predictions since a time.

Of a prediction counts what its newest source said last. It is taken if it is surely complete (of a transaction older
than all that run), if the values fit the inputs the endpoint has now, and if no row of the base data says the same.
"""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from inference.engine.errors import InvalidInput
from inference.engine.signature import Signature
from inference.ids import prediction_id
from inference.models import Endpoint, Version
from jobs.training import frozen
from jobs.training.datasets import key
from jobs.training.frozen import Line

MOST_FEEDBACK = 200_000
"""Predictions with feedback used at most, the newest ones."""
_FETCHED = 2000

_FEEDBACK = """
WITH last AS (
    SELECT DISTINCT ON (prediction_id, source) id, prediction_id, value, received_at
    FROM inference_feedback
    WHERE endpoint_id = %(endpoint)s AND txid < pg_snapshot_xmin(pg_current_snapshot())
      AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
    ORDER BY prediction_id, source, revision DESC
), newest AS (
    SELECT DISTINCT ON (prediction_id) prediction_id, value FROM last
    ORDER BY prediction_id, received_at DESC, id DESC
), chosen AS (
    SELECT * FROM newest ORDER BY prediction_id DESC LIMIT %(most)s
)
SELECT chosen.value::json, found.features, found.version_id
FROM chosen
-- LIMIT: a look-up in the one partition that can hold it, never a join over all of them.
LEFT JOIN LATERAL (
    SELECT features, version_id FROM inference_prediction
    WHERE id = chosen.prediction_id AND txid < pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1
) found ON true
ORDER BY chosen.prediction_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What was written: the sha256 of its text, rows by origin, and how many of which were left out, by reason.

    Reasons: `prediction_gone`, `other_inputs` (the values do not fit the inputs of now), `bad_label`, `in_base_data`
    (the base data has the same row).
    """

    sha256: str
    base: int
    feedback: int
    left_out: Mapping[str, int]


def select(
    base: Path, into: Path, *, endpoint: Endpoint, signature: Signature, since: datetime.datetime | None
) -> Selected:
    """Write the frozen data: base rows as they are, then the feedback.

    Args:
        base: the base data, a frozen file.
        into: where to write.
        since: feedback received from then on; None for all of it.
    """
    left_out: Counter[str] = Counter()
    told = list(_told(endpoint, signature, since, left_out))
    by_key: dict[bytes, list[int]] = {}
    for at, line in enumerate(told):
        by_key.setdefault(key(line.row, line.target), []).append(at)
    known: set[int] = set()
    head = frozen.head(base)

    def lines() -> Iterator[Line]:
        for line in frozen.lines(base):
            known.update(by_key.get(key(line.row, line.target), ()))
            yield line
        yield from (line for at, line in enumerate(told) if at not in known)

    sha256, rows = frozen.write(into, head, lines())
    if known:
        left_out["in_base_data"] = len(known)
    feedback = len(told) - len(known)
    return Selected(sha256=sha256, base=rows - feedback, feedback=feedback, left_out=dict(sorted(left_out.items())))


def _told(
    endpoint: Endpoint, signature: Signature, since: datetime.datetime | None, left_out: Counter[str]
) -> Iterator[Line]:
    """The feedback that can be learnt from, in the order of its predictions."""
    names: dict[int, list[str] | None] = {}
    for value, features, version_id in _rows(endpoint, since):
        if features is None:
            left_out["prediction_gone"] += 1
            continue
        if version_id not in names:
            names[version_id] = _other_names(version_id, signature)
        other = names[version_id]
        try:
            named = features if other is None else dict(zip(other, features, strict=True))
            row = signature.row(named)
        except (InvalidInput, ValueError):
            left_out["other_inputs"] += 1
            continue
        target = _target(value, signature)
        if target is None:
            left_out["bad_label"] += 1
        else:
            yield Line(frozen.FEEDBACK, row, target)


def _rows(endpoint: Endpoint, since: datetime.datetime | None) -> Iterator[tuple[Any, Any, int]]:
    asked = {"endpoint": endpoint.pk, "since": since, "most": MOST_FEEDBACK}
    with _cursor() as cursor:
        cursor.execute(_FEEDBACK, asked)
        while fetched := cursor.fetchmany(_FETCHED):
            yield from fetched


@contextmanager
def _cursor() -> Iterator[Any]:
    """A cursor whose rows stay in Postgres until they are fetched."""
    with transaction.atomic(), connection.cursor() as settings:
        settings.execute("SET LOCAL statement_timeout = '10min'")
        with connection.connection.cursor(name=f"selection_{prediction_id()[-12:]}") as cursor:
            yield cursor


def _other_names(version_id: int, signature: Signature) -> list[str] | None:
    """The names of a version's inputs, in the order its features are stored in; None where they are those of now."""
    manifest = Version.objects.values_list("manifest", flat=True).get(pk=version_id)
    names = [one["name"] for one in manifest["signature"]["inputs"]]
    return None if names == list(signature.names) else names


def _target(value: Any, signature: Signature) -> str | float | None:
    """The truth as training takes it, or None if it is none of this endpoint's answers of now."""
    output = signature.output
    if output.kind == "regression":
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    labels = output.labels or ("normal", "anomaly")
    return value if value in labels else None
