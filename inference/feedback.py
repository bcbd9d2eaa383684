"""Feedback: the truth about a prediction, told later. Every door that takes it comes through here.

Rows are only ever added. What one source says of one prediction is numbered 1, 2, … and its last revision counts; the
same value again is a duplicate and no row. Feedback may be late, repeated and corrected in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from inference.callers import Caller
from inference.database import Database, Statement
from inference.engine.errors import ForetellError
from inference.engine.inputs import clipped
from inference.errors import NotFound
from inference.truth import Truth, bad_label

MAX_ITEMS = 500

_LOCK_SPACE = 0xFB
_LOCKS = 64
"""How many advisory locks all feedback shares: a lock for each prediction could fill Postgres' table of locks, which
the recorder needs too. Two predictions that share one wait for each other for a millisecond."""

_LOCK = "SELECT pg_advisory_xact_lock(%(space)s, lock) FROM unnest(%(locks)s::int[]) AS lock"

# A statement of its own after the lock: it sees what was committed while the lock was waited for. `told` knows its own
# rows again by their ids, so that running it twice has the effect of once.
_STORE = """
WITH given AS (
  SELECT * FROM unnest(%(ids)s::uuid[], %(predictions)s::uuid[], %(values)s::text[]::jsonb[], %(times)s::timestamptz[])
    WITH ORDINALITY AS given (id, prediction_id, value, device_time, place)
), found AS (
  SELECT given.*, prediction.endpoint_id, version.manifest -> 'signature' -> 'output' AS output
    FROM given
    JOIN inference_prediction prediction ON prediction.id = given.prediction_id
    JOIN inference_endpoint endpoint ON endpoint.id = prediction.endpoint_id
    JOIN inference_version version ON version.id = prediction.version_id
   WHERE prediction.id = ANY(%(predictions)s::uuid[])
     AND (%(endpoints)s::text[] IS NULL OR endpoint.slug = ANY(%(endpoints)s::text[]))
     AND (%(device)s::bigint IS NULL OR prediction.device_id = %(device)s::bigint)
), judged AS (
  SELECT found.*, told.revision AS told_before, CASE output ->> 'kind'
           WHEN 'regression' THEN jsonb_typeof(found.value) = 'number'
           WHEN 'anomaly' THEN found.value IN ('"anomaly"', '"normal"')
           ELSE output -> 'labels' @> found.value
         END AS fits
    FROM found LEFT JOIN inference_feedback told ON told.id = found.id
), newest AS (
  SELECT DISTINCT ON (prediction_id) prediction_id, revision, value FROM inference_feedback
   WHERE prediction_id = ANY(%(predictions)s::uuid[]) AND source = %(source)s
   ORDER BY prediction_id, revision DESC
), compared AS (
  SELECT judged.*, coalesce(newest.revision, 0) AS revision_before,
         coalesce(lag(judged.value) OVER in_order, newest.value) IS DISTINCT FROM judged.value AS is_new
    FROM judged LEFT JOIN newest USING (prediction_id)
   WHERE fits AND told_before IS NULL
  WINDOW in_order AS (PARTITION BY prediction_id ORDER BY place)
), numbered AS (
  SELECT *, revision_before + count(*) FILTER (WHERE is_new) OVER (PARTITION BY prediction_id ORDER BY place)
            AS revision
    FROM compared
), stored AS (
  INSERT INTO inference_feedback
         (id, prediction_id, endpoint_id, credential_id, source, value, revision, device_time)
  SELECT id, prediction_id, endpoint_id, %(credential)s::bigint, %(source)s, value, revision, device_time
    FROM numbered WHERE is_new
)
SELECT judged.output::text, judged.fits, coalesce(judged.told_before, numbered.revision),
       coalesce(NOT numbered.is_new, false)
  FROM given LEFT JOIN judged USING (place) LEFT JOIN numbered USING (place)
 ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of it: it is committed as that revision, or was said before in these words (`duplicate`)."""

    prediction: UUID
    revision: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Teller:
    """Who says it, and of which predictions they may speak.

    `source` is what its revisions are counted for: `device:pump-7`, `service:lab` or `user:ann`. `endpoints` are
    slugs, None for all; a device speaks only of its own predictions.
    """

    source: str
    credential_id: int | None = None
    device_id: int | None = None
    endpoints: frozenset[str] | None = None

    @classmethod
    def of(cls, caller: Caller) -> "Teller":
        """A credential's device or service."""
        source = f"service:{caller.service}" if caller.device is None else f"device:{caller.device}"
        return cls(source, caller.credential_id, caller.device_id, caller.endpoints)


async def feedback_store(*, database: Database, items: Sequence[Truth], caller: Caller) -> list[Told | ForetellError]:
    """Store what a caller says, in order, and say once it is committed what became of each item.

    An item of a prediction that is not there, or not the caller's, becomes NotFound; one whose value is no possible
    answer becomes InvalidInput with `bad_label`. The others are stored all the same.

    Raises:
        DatabaseUnavailable, Overloaded: Postgres did not answer in time. Saying it again is harmless.
    """
    return outcomes(items, await database.transact(*statements(items, Teller.of(caller))))


def statements(items: Sequence[Truth], teller: Teller) -> tuple[Statement, Statement]:
    """What stores items, to be run in this order in one transaction; `outcomes` reads the rows of the last.

    The first takes the locks, in one order for everyone, that let corrections of one prediction follow each other.
    """
    locks = sorted({item.prediction.int % _LOCKS for item in items})
    return (
        (_LOCK, {"space": _LOCK_SPACE, "locks": locks}),
        (
            _STORE,
            {
                "ids": [item.id for item in items],
                "predictions": [item.prediction for item in items],
                "values": [msgspec.json.encode(item.value).decode() for item in items],
                "times": [item.device_time for item in items],
                "source": teller.source,
                "credential": teller.credential_id,
                "device": teller.device_id,
                "endpoints": None if teller.endpoints is None else sorted(teller.endpoints),
            },
        ),
    )


def outcomes(items: Sequence[Truth], rows: Sequence[tuple[Any, ...]]) -> list[Told | ForetellError]:
    """What became of each item."""
    return [_outcome(item, *row) for item, row in zip(items, rows, strict=True)]


def _outcome(
    item: Truth, output_json: str | None, fits: bool | None, revision: int | None, duplicate: bool
) -> Told | ForetellError:
    if output_json is None:
        return NotFound("This prediction")
    if not fits or revision is None:
        output: dict[str, Any] = msgspec.json.decode(output_json)
        return bad_label(item.value, _possible(output), ("value",))
    return Told(item.prediction, revision, duplicate)


def _possible(output: Mapping[str, Any]) -> str:
    """What may be true of an endpoint's predictions, in words."""
    if output["kind"] == "regression":
        return f"a number [{output['unit']}]" if output.get("unit") else "a number"
    labels = output["labels"] if output["kind"] == "classification" else ("normal", "anomaly")
    return clipped("one of " + ", ".join(labels), 200)
