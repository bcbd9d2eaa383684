"""The picture that a browser gets: what all processes say, put together. No I/O.

Percentiles can't be averaged, so processes tell buckets, which add up, and percentiles are read from the sum.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from inference.activity import BUCKETS_S, LATEST

EXPIRES_S = 5.0
"""A process that says nothing for so long is gone."""
RATE_S = 5
"""Over how many seconds the rate is taken."""
LATE_S = 3
"""A process may tell of a second so much later than another; points are sent again for that long."""

Snapshot = Mapping[str, Any]


class Picture:
    """Holds the newest snapshot of each process. Times are in seconds of one clock that only rises."""

    def __init__(self) -> None:
        self._snapshots: dict[str, tuple[float, Snapshot]] = {}
        self._sent_to = 0

    def take(self, snapshot: Snapshot, now_s: float) -> None:
        """Put a process's new snapshot in place of its last one."""
        self._snapshots[snapshot["process"]] = (now_s, snapshot)

    def draw(self, now_s: float) -> dict[str, Any]:
        """The picture as JSON-able values: all points the first time, afterwards those that may have changed."""
        self._snapshots = {
            process: (taken_s, snapshot)
            for process, (taken_s, snapshot) in self._snapshots.items()
            if now_s - taken_s < EXPIRES_S
        }
        # The newest last: what can't be added up, such as which version answers, is taken from it.
        snapshots = sorted((snapshot for _, snapshot in self._snapshots.values()), key=lambda one: one["at"])
        if not snapshots:
            return {"type": "picture", "processes": 0, "at": None, "endpoints": []}
        at = snapshots[-1]["at"]
        after, self._sent_to = self._sent_to - LATE_S, at
        slugs = sorted({slug for snapshot in snapshots for slug in snapshot["endpoints"]})
        return {
            "type": "picture",
            "processes": len(snapshots),
            "at": at,
            "endpoints": [_endpoint(slug, snapshots, at, after) for slug in slugs],
        }


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The latency in seconds that this share of all is not above, spread evenly within its bucket.

    None if there are none, or if it is above the last bound.
    """
    wanted = share * sum(counts)
    for bucket, (count, reached) in enumerate(zip(counts, accumulate(counts), strict=True)):
        if count and reached >= wanted:
            if bucket == len(BUCKETS_S):
                return None
            below = BUCKETS_S[bucket - 1] if bucket else 0.0
            return below + (BUCKETS_S[bucket] - below) * (wanted - (reached - count)) / count
    return None


def _endpoint(slug: str, snapshots: Sequence[Snapshot], at: int, after: int) -> dict[str, Any]:
    parts = [snapshot["endpoints"][slug] for snapshot in snapshots if slug in snapshot["endpoints"]]
    newest = parts[-1]
    points = _points(parts, min(after, at - RATE_S))
    counts = [sum(column) for column in zip(*(part["latencies"] for part in parts), strict=True)]
    return {
        "slug": slug,
        **{name: newest[name] for name in ("id", "name", "version", "version_id", "reason", "kind", "labels", "unit")},
        "sockets": sum(part["sockets"] for part in parts),
        "rate": sum(point["predictions"] for point in points if point["at"] > at - RATE_S) / RATE_S,
        "p50_s": percentile(counts, 0.5),
        "p99_s": percentile(counts, 0.99),
        "answers": sum(counts),
        "slower": counts[-1],
        "versions": _sum(part["versions"] for part in parts),
        "rejected": _sum(part["rejected"] for part in parts),
        "points": [point for point in points if point["at"] > after],
        "latest": _latest(parts),
    }


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


def _points(parts: Iterable[Mapping[str, Any]], after: int) -> list[dict[str, Any]]:
    """The seconds of all processes, each once, in their order; without those that nobody asks for any more."""
    merged: dict[int, dict[str, Any]] = {}
    for point in (point for part in parts for point in part["points"] if point["at"] > after):
        have = merged.setdefault(point["at"], {"at": point["at"], "predictions": 0})
        have["predictions"] += point["predictions"]
        if "labels" in point:
            have["labels"] = _sum((have.get("labels", {}), point["labels"]))
        if "values" in point:
            n, total, least, greatest, last = point["values"]
            before = have.get("values", [0, 0.0, least, greatest, last])
            have["values"] = [before[0] + n, before[1] + total, min(before[2], least), max(before[3], greatest), last]
    return [merged[at] for at in sorted(merged)]


def _latest(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The last predictions of all processes, the newest first."""
    latest = sorted((one for part in parts for one in part["latest"]), key=lambda one: one["id"], reverse=True)
    return [one | {"output": json.loads(one["output"])} for one in latest[:LATEST]]
