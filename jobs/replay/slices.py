"""Slices: rows that have something in common, and how often two answers differ on them. Counted as rows come by.

Memory depends on the number of slices, not of rows: numbers fall into bins chosen beforehand from a sample, and texts
beyond the first `MOST_VALUES` of a kind are left out.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.replay.report import Interval, Slice

MOST_VALUES = 10_000
"""Different values counted of one thing, as devices."""
BINS = 10
Z_95, Z_99 = 1.959963984540054, 2.5758293035489004

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def wilson(count: int, rows: int, z: float) -> tuple[float, float]:
    """The Wilson score interval of a share: count of rows, in [0, 1].

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22, 209-212:
    (p + z²/2n ± z·sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n). It stays sensible for few rows and shares near 0 or 1.

    Args:
        rows: at least 1.
        z: the quantile of the normal distribution, 1.96 for 95 %.
    """
    share = count / rows
    middle = share + z * z / (2 * rows)
    reach = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def interval(count: int, rows: int) -> Interval:
    """A share with its 95 % interval; without rows there is none."""
    if not rows:
        return Interval(0, 0, None, None, None)
    return Interval(rows, count, count / rows, *wilson(count, rows, Z_95))


def edges(sample: Floats) -> Floats:
    """Where to cut numbers into at most `BINS` bins that hold about as many rows each.

    Args:
        sample: some of the numbers, NaN where one is missing.

    Returns:
        Rising edges, at least one. Between two of them lie numbers from the lower one on and below the upper one. A
        few different numbers get a bin each; else the edges are deciles (Hyndman and Fan's type 7, as numpy's).
    """
    known = np.unique(sample[~np.isnan(sample)])
    if len(known) <= BINS:
        # One edge at least: a slice without any bound is that of missing numbers.
        return known[1:] if len(known) > 1 else known if len(known) else np.zeros(1)
    return np.unique(np.nanquantile(sample, np.arange(1, BINS) / BINS))


class Counts:
    """Rows, differing rows and the sum of absolute differences by position."""

    def __init__(self, size: int) -> None:
        self.rows = np.zeros(size, np.int64)
        self.differ = np.zeros(size, np.int64)
        self.absolute = np.zeros(size)

    def add(self, places: npt.NDArray[np.intp], differ: Flags, absolute: Floats) -> None:
        """Count rows, each at its place."""
        size = len(self.rows)
        self.rows += np.bincount(places, minlength=size)
        self.differ += np.bincount(places[differ], minlength=size)
        self.absolute += np.bincount(places, weights=absolute, minlength=size)


class Numbers:
    """The slices of one numeric input: its bins, and the rows where it is missing."""

    def __init__(self, name: str, cuts: Floats) -> None:
        self._name = name
        self._cuts = cuts
        self._counts = Counts(len(cuts) + 2)

    def add(self, values: Sequence[Any], differ: Flags, absolute: Floats) -> None:
        """Count rows: a number or None each."""
        numbers = np.array(values, dtype=np.float64)
        places = np.searchsorted(self._cuts, numbers, side="right")
        places[np.isnan(numbers)] = len(self._cuts) + 1
        self._counts.add(places, differ, absolute)

    def slices(self, overall: float) -> Iterable[Slice]:
        """The slices that have rows."""
        bounds: list[float | None] = [None, *self._cuts.tolist(), None]
        for place in np.flatnonzero(self._counts.rows).tolist():
            missing = place > len(self._cuts)
            low, high = (None, None) if missing else (bounds[place], bounds[place + 1])
            yield _slice("input", self._name, None, low, high, self._counts, place, overall)


class Values:
    """The slices of one thing whose rows have a text or a whole number each, or None."""

    def __init__(self, by: str, name: str) -> None:
        self._by = by
        self._name = name
        self._places: dict[Any, int] = {}
        self._counts = Counts(MOST_VALUES + 1)

    def add(self, values: Sequence[Any], differ: Flags, absolute: Floats) -> None:
        """Count rows."""
        places = self._places
        for value in dict.fromkeys(values):
            if value not in places and len(places) < MOST_VALUES:
                places[value] = len(places)
        found = np.fromiter((places.get(value, MOST_VALUES) for value in values), np.intp, len(values))
        self._counts.add(found, differ, absolute)

    def slices(self, overall: float) -> Iterable[Slice]:
        """The slices that have rows."""
        for value, place in self._places.items():
            if self._counts.rows[place]:
                yield _slice(self._by, self._name, value, None, None, self._counts, place, overall)

    def rows(self) -> dict[Any, int]:
        """How many rows each value has, the most frequent first."""
        found = {value: int(self._counts.rows[place]) for value, place in self._places.items()}
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def leading(slices: Iterable[Slice], *, most: int, least_rows: int) -> list[Slice]:
    """The slices where answers differ most, by what their rate is at least; none where nothing differs."""
    enough = (one for one in slices if one.rows >= least_rows and one.differ)
    return sorted(enough, key=lambda one: (-one.at_least, -one.rate, -one.rows, one.name))[:most]


def _slice(
    by: str,
    name: str,
    value: str | int | float | None,
    low: float | None,
    high: float | None,
    counts: Counts,
    place: int,
    overall: float,
) -> Slice:
    rows, differ = int(counts.rows[place]), int(counts.differ[place])
    at_least, _ = wilson(differ, rows, Z_99)
    return Slice(
        by=by,
        name=name,
        value=value,
        low=low,
        high=high,
        rows=rows,
        differ=differ,
        rate=differ / rows,
        at_least=at_least,
        mean_absolute=float(counts.absolute[place]) / rows,
        stands_out=at_least > overall,
    )
