"""What a process does now, for those who watch: counted at the one door, read once a second.

It is a picture, not a record: it is kept in memory for a minute and lost with the process. The door only appends;
what was appended is counted many at a time, which costs a quarter of counting each.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, starmap
from typing import Any

import numpy as np

from inference import ids
from inference.call import Call
from inference.engine import outputs
from inference.engine.signature import Output
from inference.models import Source

WINDOW_S = 60
"""How far back the picture goes."""
LATEST = 10
"""Predictions shown one by one: the last ones."""
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of the latencies' buckets; one more has what is above. The same in every process, so they add up."""
_COUNT_AT = 256
_BOUNDS = np.array(BUCKETS_S)


@dataclass(slots=True)
class Second:
    """What happened at an endpoint within one second."""

    predictions: int = 0
    latencies: Any = field(default_factory=lambda: np.zeros(len(BUCKETS_S) + 1, np.int64))
    labels: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    values: list[float] = field(default_factory=list)
    """Of a regression: how many, their sum, the least, the greatest, the last."""

    def add_values(self, added: Sequence[float]) -> None:
        """Count a regression's values in."""
        if added:
            n, total, least, greatest, _ = self.values or (0, 0.0, added[0], added[0], 0.0)
            self.values = [
                n + len(added),
                total + sum(added),
                min(least, *added),
                max(greatest, *added),
                added[-1],
            ]

    def as_point(self, at: int) -> dict[str, Any]:
        """What a chart draws of it. `at` is in Unix seconds."""
        point: dict[str, Any] = {"at": at, "predictions": self.predictions}
        if self.labels:
            point["labels"] = dict(self.labels)
        if self.values:
            point["values"] = self.values
        return point


class _Answering:
    """A version that answers, and what it has answered since that was last counted."""

    __slots__ = ("endpoint_id", "last", "outcomes", "output", "tag", "took_s")

    def __init__(self, endpoint_id: int, tag: str, output: Output) -> None:
        self.endpoint_id = endpoint_id
        self.tag = tag
        self.output = output
        self.took_s: list[float] = []
        self.outcomes: list[Any] = []
        self.last: deque[tuple[Call, float]] = deque(maxlen=LATEST)


class Activity:
    """Counts what one process answers and refuses, by endpoint. Its methods belong to the event loop that serves."""

    def __init__(self) -> None:
        self._answering: dict[int, _Answering] = {}
        self._now: dict[int, Second] = {}
        self._seconds: dict[int, deque[tuple[int, Second]]] = {}
        self._latest: dict[int, list[dict[str, Any]]] = {}

    # ---- At the door ------------------------------------------------------------------------------------------------

    def settled(self, call: Call) -> None:
        """Note an answered call. This is all that a reading pays at once.

        Calls themselves are not kept, but for the last: to hold hundreds costs more than to take out what is counted.
        """
        if call.error is not None:
            self.rejected(call.origin.endpoint_id, call.error.code, call.rows)
            return
        version = call.version
        answering = self._answering.get(version.id)
        if answering is None:
            answering = _Answering(call.origin.endpoint_id, version.tag, version.signature.output)
            self._answering[version.id] = answering
        took_s = time.perf_counter() - call.received_at
        answering.took_s.append(took_s)
        answering.outcomes += call.outcomes
        answering.last.append((call, took_s))
        if len(answering.took_s) >= _COUNT_AT:
            self._count(answering)

    def rejected(self, endpoint_id: int, code: str, readings: int = 1) -> None:
        """Count readings that got an error for an answer."""
        self._second(endpoint_id).rejected[code] += readings

    # ---- Once a second ----------------------------------------------------------------------------------------------

    def turn(self, now_s: int) -> None:
        """End a second: what was counted since the last turn belongs to `now_s`, in Unix seconds."""
        for answering in self._answering.values():
            self._count(answering)
            shown = [
                *self._latest.get(answering.endpoint_id, ()),
                *chain.from_iterable(starmap(_shown, answering.last)),
            ]
            # Versions that take turns within a second are sorted in by time, which their ids begin with.
            self._latest[answering.endpoint_id] = sorted(shown, key=lambda one: one["id"])[-LATEST:]
        self._answering.clear()  # a version that answers no more is not kept in memory by its counter
        for endpoint_id, second in self._now.items():
            self._seconds.setdefault(endpoint_id, deque()).append((now_s, second))
        self._now.clear()
        for endpoint_id, seconds in list(self._seconds.items()):
            while seconds and seconds[0][0] <= now_s - WINDOW_S:
                seconds.popleft()
            if not seconds:
                del self._seconds[endpoint_id]

    def endpoint(self, endpoint_id: int) -> dict[str, Any]:
        """The last minute of an endpoint, in plain values: `points` by second, the rest over all of it."""
        seconds = self._seconds.get(endpoint_id, ())
        latencies = np.zeros(len(BUCKETS_S) + 1, np.int64)
        versions: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        for _, second in seconds:
            latencies += second.latencies
            versions.update(second.versions)
            rejected.update(second.rejected)
        return {
            "points": [second.as_point(at) for at, second in seconds if second.predictions],
            "latencies": latencies.tolist(),
            "versions": dict(versions),
            "rejected": dict(rejected),
            "latest": list(self._latest.get(endpoint_id, ())),
        }

    # ---- Counting many at a time ------------------------------------------------------------------------------------

    def _second(self, endpoint_id: int) -> Second:
        second = self._now.get(endpoint_id)
        if second is None:
            second = self._now[endpoint_id] = Second()
        return second

    def _count(self, answering: _Answering) -> None:
        outcomes, answering.outcomes = answering.outcomes, []
        took_s, answering.took_s = answering.took_s, []
        if not took_s:
            return
        second = self._second(answering.endpoint_id)
        texts = outcomes
        if set(map(type, outcomes)) != {str}:
            second.rejected.update(outcome.code for outcome in outcomes if not isinstance(outcome, str))
            texts = [outcome for outcome in outcomes if isinstance(outcome, str)]
        second.predictions += len(texts)
        second.versions[answering.tag] += len(texts)
        second.labels.update(outputs.count_labels(answering.output, texts))
        second.add_values(outputs.values(answering.output, texts))
        second.latencies += np.bincount(_BOUNDS.searchsorted(took_s), minlength=len(BUCKETS_S) + 1)


def _shown(call: Call, took_s: float) -> Iterable[dict[str, Any]]:
    """The last predictions of a call, as a list of them shows each."""
    caller, source = call.origin.caller, call.origin.source
    lasts = call.ids[-LATEST:], call.outcomes[-LATEST:], call.instances[-LATEST:]
    for id_, outcome, instance in zip(*lasts, strict=True):
        if isinstance(outcome, str):
            yield {
                "id": id_,
                "at": ids.time_of(id_).timestamp(),
                "version": call.version.tag,
                # A person at the console has no credential; their question carries their name.
                "who": instance.subject if source is Source.CONSOLE else caller.device or caller.service,
                "device": caller.device is not None,
                "source": source.name.lower(),
                "took_s": took_s,
                "stored": call.stored,
                "output": outcome,
            }
