"""A comparison of two answers a row: labels or values, slices, and quality where the truth is known."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.engine.signature import Signature
from jobs.replay import quality
from jobs.replay.report import Confusion, Differences, Histogram, Report
from jobs.replay.slices import Numbers, Values, edges, interval, leading

MOST_SLICES = 20
LEAST_ROWS = 30
LEAST_SHARE = 0.001
MOST_VERSIONS = 50
HISTOGRAM_BINS = 40
ROUNDING = 1e-9
"""Differences that lie closer together than this share of the largest one are the same."""

Floats = npt.NDArray[np.float64]
_ANOMALY = ("normal", "anomaly")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Some rows: each sequence holds one entry a row.

    `then` and `now` are outputs as they are stored, or None. `truths` are labels or values, None where none is known.
    `hours` are of the day, 0 to 23.
    """

    then: Sequence[Any]
    now: Sequence[Any]
    truths: Sequence[Any]
    inputs: Mapping[str, Sequence[Any]]
    devices: Sequence[str | None]
    hours: Sequence[int]
    versions: Sequence[str]


class Comparison:
    """Counts rows as they come.

    Args:
        sample: some of the rows' inputs by name, to choose bins from.
        tolerance: how close values agree; None for labels.
    """

    def __init__(self, signature: Signature, sample: Mapping[str, Sequence[Any]], *, tolerance: float | None) -> None:
        self._output = signature.output
        self._tolerance = tolerance
        self._answers = _Values(tolerance) if tolerance is not None else _labels(signature)
        self._rows = self._only_then = self._only_now = self._neither = 0
        self._differing = 0
        self._differences: list[Floats] = []
        self._inputs: dict[str, Numbers | Values] = {}
        for one in signature.inputs:
            if one.dtype == "string":
                self._inputs[one.name] = Values("input", one.name)
            else:
                # Under another signature the same name may have held a text.
                known = [value if isinstance(value, int | float) else None for value in sample.get(one.name, ())]
                self._inputs[one.name] = Numbers(one.name, edges(np.array(known, dtype=np.float64)))
        self._devices, self._hours = Values("device", "device"), Values("hour", "hour")
        self._versions = Values("version", "version")

    def add(self, pairs: Pairs) -> None:
        """Count rows."""
        key = self._answers.key
        # What a version of another kind of output answered then can't be compared.
        given = [one is not None and key in one for one in pairs.then]
        found = list(zip(given, (one is not None for one in pairs.now), strict=True))
        both = [place for place, one in enumerate(found) if all(one)]
        self._rows += len(found)
        self._only_then += found.count((True, False))
        self._only_now += found.count((False, True))
        self._neither += found.count((False, False))
        if not both:
            return
        whole = len(both) == len(pairs.then)

        def kept(values: Sequence[Any]) -> Sequence[Any]:
            return values if whole else [values[place] for place in both]

        differ, difference = self._answers.add(kept(pairs.then), kept(pairs.now), kept(pairs.truths))
        absolute = np.abs(difference)
        self._differing += int(differ.sum())
        self._differences.append(difference)
        for name, one in self._inputs.items():
            one.add(kept(pairs.inputs[name]), differ, absolute)
        self._devices.add(kept(pairs.devices), differ, absolute)
        self._hours.add(kept(pairs.hours), differ, absolute)
        self._versions.add(kept(pairs.versions), differ, absolute)

    def report(self, *, version: str) -> Report:
        """What came of it.

        Args:
            version: the tag of the version that answered now.
        """
        compared = sum(map(len, self._differences))
        overall = self._differing / compared if compared else 0.0
        least = max(LEAST_ROWS, math.ceil(LEAST_SHARE * compared))
        counted = (*self._inputs.values(), self._devices, self._hours, self._versions)
        slices = [one for each in counted for one in each.slices(overall)]
        versions = self._versions.rows()
        return Report(
            version=version,
            kind=self._output.kind,
            unit=self._output.unit,
            rows=self._rows,
            compared=compared,
            only_then=self._only_then,
            only_now=self._only_now,
            neither=self._neither,
            versions_then=dict(list(versions.items())[:MOST_VERSIONS]),
            tolerance=self._tolerance,
            agreement=interval(compared - self._differing, compared),
            differences=_differences(self._differences) if compared else None,
            confusion=self._answers.confusion(),
            slices=leading(slices, most=MOST_SLICES, least_rows=least),
            least_rows=least,
            hours=sorted(self._hours.slices(overall), key=lambda one: int(one.value or 0)),
            quality=self._answers.quality.quality(),
        )


class _Labels:
    """Two labels a row. The difference is of scores: of the label answered then, or the anomaly score.

    `key` is what an output must have to be compared: `scores` by label, or an anomaly's `score`.
    """

    def __init__(self, labels: Sequence[str], *, key: str) -> None:
        self.key = key
        self._labels = list(labels)
        self._places = {label: place for place, label in enumerate(labels)}
        self._counts: dict[tuple[str, str], int] = {}
        self.quality = quality.Labels(labels)

    def add(
        self, then: Sequence[Any], now: Sequence[Any], truths: Sequence[Any]
    ) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Count rows: which differ, and by how much."""
        before, after = [one["label"] for one in then], [one["label"] for one in now]
        for pair in zip(before, after, strict=True):
            self._counts[pair] = self._counts.get(pair, 0) + 1
        differ = np.fromiter((one != other for one, other in zip(before, after, strict=True)), np.bool_, len(before))
        self._judge(before, after, truths)
        return differ, self._differences(before, then, now)

    def confusion(self) -> Confusion:
        """From which label to which. Labels that only an older version had come last."""
        others = dict.fromkeys(label for pair in self._counts for label in pair if label not in self._places)
        labels = [*self._labels, *others]
        counts = [[self._counts.get((then, now), 0) for now in labels] for then in labels]
        return Confusion([str(label) for label in labels], counts)

    def _differences(self, labels: Sequence[Any], then: Sequence[Any], now: Sequence[Any]) -> Floats:
        found: Iterator[float]
        if self.key == "score":
            found = (after["score"] - before["score"] for before, after in zip(then, now, strict=True))
        else:
            found = (
                after["scores"].get(label, 0.0) - _score(before["scores"], label)
                for label, before, after in zip(labels, then, now, strict=True)
            )
        return np.fromiter(found, np.float64, len(labels))

    def _judge(self, before: Sequence[Any], after: Sequence[Any], truths: Sequence[Any]) -> None:
        known = [
            [self._places.get(label, -1) for label in row]
            for row in zip(truths, before, after, strict=True)
            if row[0] in self._places
        ]
        table = np.array([row for row in known if -1 not in row], dtype=np.intp).reshape(-1, 3)
        self.quality.add(table[:, 0], table[:, 1], table[:, 2])


class _Values:
    """Two values a row, which agree within a tolerance."""

    key = "value"

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self.quality = quality.Numbers()

    def add(
        self, then: Sequence[Any], now: Sequence[Any], truths: Sequence[Any]
    ) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Count rows: which differ, and by how much."""
        before = np.array([one["value"] for one in then], dtype=np.float64)
        after = np.array([one["value"] for one in now], dtype=np.float64)
        truth = np.array([one if isinstance(one, int | float) else None for one in truths], dtype=np.float64)
        known = ~np.isnan(truth)
        self.quality.add(truth[known], before[known], after[known])
        difference = after - before
        return np.abs(difference) > self._tolerance, difference

    def confusion(self) -> None:
        """Values have none."""
        return


def _score(scores: Mapping[str, float | None], label: str) -> float:
    """What a label scored then. Of one that is no label any more nothing is kept but what the others left of 1."""
    known = scores.get(label)
    return known if known is not None else max(0.0, 1.0 - sum(one or 0.0 for one in scores.values()))


def _labels(signature: Signature) -> _Labels:
    anomaly = signature.output.kind == "anomaly"
    return _Labels(_ANOMALY if anomaly else signature.output.labels, key="score" if anomaly else "scores")


def _differences(parts: Sequence[Floats]) -> Differences:
    found = np.concatenate(parts)
    absolute = np.abs(found)
    counts, cuts = np.histogram(found, bins=HISTOGRAM_BINS, range=_range(found))
    return Differences(
        mean=float(found.mean()),
        mean_absolute=float(absolute.mean()),
        median_absolute=float(np.median(absolute)),
        p95_absolute=float(np.quantile(absolute, 0.95)),
        largest_absolute=float(absolute.max()),
        histogram=Histogram(cuts.tolist(), counts.tolist()),
    )


def _range(found: Floats) -> tuple[float, float]:
    """What a histogram spans; where values are the same but for rounding, enough for bins that can be told apart."""
    low, high = float(found.min()), float(found.max())
    largest = max(abs(low), abs(high))
    if high - low > ROUNDING * largest:
        return low, high
    reach = max(largest, 1.0) / 2
    return low - reach, high + reach
