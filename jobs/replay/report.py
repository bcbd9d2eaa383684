"""The replay report: how a version's answers differ from what was answered then. The JSON of `BatchJob.report`.

Rows are compared when both answered. They agree when the labels are equal, or for a regression when the values differ
by no more than `tolerance`. Rates are shares from 0 to 1, differences are now minus then.
"""

from typing import Any

import msgspec

from inference.engine.eager import eager

FORMAT = 1


class Interval(msgspec.Struct, frozen=True):
    """A share of some rows, and its 95 % Wilson score interval."""

    rows: int
    count: int
    rate: float | None
    low: float | None
    high: float | None


class Histogram(msgspec.Struct, frozen=True):
    """How many values lie between each two neighbouring edges; the last bin includes its upper edge."""

    edges: list[float]
    counts: list[int]


class Differences(msgspec.Struct, frozen=True):
    """How far the answers lie apart.

    Of a classification: what the label then answered scores now, minus what it scored then; a label that is none any
    more scores 0 now, and scored then what the others left of 1. Of an anomaly: the scores. Of a regression: the
    values, in their unit. `median` and `p95` are of the absolute differences.
    """

    mean: float
    mean_absolute: float
    median_absolute: float
    p95_absolute: float
    largest_absolute: float
    histogram: Histogram


class Confusion(msgspec.Struct, frozen=True):
    """`counts[then][now]`: how many rows went from which label to which."""

    labels: list[str]
    counts: list[list[int]]


class Slice(msgspec.Struct, frozen=True):
    """Some of the compared rows, and how often the answers differ there.

    Attributes:
        by: `input`, `device`, `hour` (of the day, UTC) or `version` (that answered then).
        name: the input's name, or the same as `by`.
        value: what the rows have in common; None where they are between `low` and `high`, or where nothing came.
        low: from this on; None for no bound.
        high: below this; None for no bound.
        rows: how many.
        differ: on how many of them the answers differ.
        rate: their share.
        at_least: the lower bound of the 99 % Wilson score interval of the rate. Slices are ordered by it, so that a
            few rows by chance don't lead.
        mean_absolute: the mean absolute difference.
        stands_out: whether `at_least` is above the rate of all rows.
    """

    by: str
    name: str
    value: str | int | float | None
    low: float | None
    high: float | None
    rows: int
    differ: int
    rate: float
    at_least: float
    mean_absolute: float
    stands_out: bool


class Quality(msgspec.Struct, frozen=True):
    """How good both were on the rows of which the truth is known: each prediction's latest feedback counts.

    `then` and `now` hold the same metrics. `better` rows are right now and were wrong then, `worse` the other way
    round; for a regression the closer answer is the better one.
    """

    rows: int
    then: dict[str, Any]
    now: dict[str, Any]
    better: int
    worse: int


@eager
class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report.

    Attributes:
        format: 1; it changes when a field changes its meaning.
        version: the tag of the version that was asked now.
        kind: `classification`, `regression` or `anomaly`.
        unit: of a regression.
        rows: of the job.
        compared: rows that both answered.
        only_then: rows that only the stored answer has; `only_now` and `neither` accordingly.
        versions_then: how many compared rows each version answered then, by tag; the most frequent ones.
        tolerance: of a regression, in its unit.
        agreement: the compared rows that agree.
        differences: None when nothing could be compared.
        confusion: None for a regression.
        slices: where the answers differ most: at most 20, of at least `least_rows` rows each.
        least_rows: how many rows a slice needs to be listed.
        hours: the slices by hour of the day, in their order.
        quality: None when no feedback is known.
    """

    format: int = FORMAT
    version: str
    kind: str
    unit: str | None
    rows: int
    compared: int
    only_then: int
    only_now: int
    neither: int
    versions_then: dict[str, int]
    tolerance: float | None
    agreement: Interval
    differences: Differences | None
    confusion: Confusion | None
    slices: list[Slice]
    least_rows: int
    hours: list[Slice]
    quality: Quality | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON-able form."""
        said: dict[str, Any] = msgspec.to_builtins(self)
        return said
