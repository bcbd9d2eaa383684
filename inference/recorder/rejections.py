"""Counts of refused readings by endpoint, device, code and hour, until a transaction takes them along."""

import time
from collections.abc import Callable

Key = tuple[int, int | None, str, int]
"""Endpoint, device or none, code, hours since 1970."""
Counts = dict[Key, int]

MAX_KEYS = 10_000
"""Past so many keys devices are no longer told apart: endpoints and codes are few, so memory stays bounded."""
TAKEN_KEYS = 1_000

_UPSERT = """\
INSERT INTO inference_rejection (endpoint_id, device_id, code, hour, count)
SELECT endpoint_id, device_id, code, to_timestamp(hour * 3600), count FROM (VALUES {values})
  AS counted (endpoint_id, device_id, code, hour, count)
 WHERE EXISTS (SELECT FROM inference_endpoint WHERE id = endpoint_id)
   AND (device_id IS NULL OR EXISTS (SELECT FROM inference_device WHERE id = device_id))
 ORDER BY 1, 2, 3, 4
ON CONFLICT ON CONSTRAINT rejections_counted_once DO UPDATE SET count = inference_rejection.count + excluded.count"""


class Rejections:
    """The counts of one process that no transaction has taken yet."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: Counts = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, endpoint_id: int, device_id: int | None, code: str) -> None:
        """Count one refused reading in the present hour."""
        self._count((endpoint_id, device_id, code[:32], int(self._clock()) // 3600), 1)

    def take(self) -> Counts:
        """Remove some of the counts, for a transaction."""
        if len(self._counts) <= TAKEN_KEYS:
            taken, self._counts = self._counts, {}
            return taken
        return {key: self._counts.pop(key) for key in list(self._counts)[:TAKEN_KEYS]}

    def give_back(self, counts: Counts) -> None:
        """Count again what a transaction did not store."""
        for key, count in counts.items():
            self._count(key, count)

    def _count(self, key: Key, count: int) -> None:
        if key not in self._counts and len(self._counts) >= MAX_KEYS:
            key = (key[0], None, key[2], key[3])
        self._counts[key] = self._counts.get(key, 0) + count


def statement(counts: Counts) -> str:
    """The SQL that adds counts to the stored ones, taking its locks in the order of the keys.

    What concerns an endpoint or device that is gone is left out.
    """
    values = ", ".join(
        f"({endpoint_id}::bigint, {device_id or 'NULL'}::bigint, {_literal(code)}, {hour}::bigint, {count}::bigint)"
        for (endpoint_id, device_id, code, hour), count in counts.items()
    )
    return _UPSERT.format(values=values)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
