"""A comparison of two answers a row, against numbers made by hand and by scikit-learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from inference.engine.signature import Signature
from jobs.replay.comparison import Comparison, Pairs
from jobs.replay.report import Report

INPUTS = [
    {"name": "s1", "dtype": "float"},
    {"name": "mode", "dtype": "int"},
    {"name": "site", "dtype": "string"},
]
CLASSES = Signature.from_dict({"inputs": INPUTS, "output": {"kind": "classification", "labels": ["normal", "fault"]}})
VALUES = Signature.from_dict({"inputs": INPUTS, "output": {"kind": "regression", "unit": "l/s"}})
ANOMALY = Signature.from_dict({"inputs": INPUTS, "output": {"kind": "anomaly"}})


def label(fault: float) -> dict[str, Any]:
    return {"label": "fault" if fault > 0.5 else "normal", "scores": {"normal": 1 - fault, "fault": fault}}


def rows(count: int, seed: int = 1) -> dict[str, list[Any]]:
    """Inputs of some rows, in no order."""
    random = np.random.default_rng(seed)
    return {
        "s1": random.uniform(0, 100, count).tolist(),
        "mode": random.integers(0, 4, count).tolist(),
        "site": random.choice(["north", "south", "east"], count).tolist(),
    }


def compared(
    signature: Signature,
    then: Sequence[Any],
    now: Sequence[Any],
    *,
    truths: Sequence[Any] | None = None,
    inputs: dict[str, list[Any]] | None = None,
    tolerance: float | None = None,
    parts: int = 3,
) -> Report:
    """The report of rows that came in some parts, a device for each ten rows."""
    inputs = inputs or rows(len(then))
    truths = truths or [None] * len(then)
    comparison = Comparison(signature, {name: values[::7] for name, values in inputs.items()}, tolerance=tolerance)
    for part in np.array_split(np.arange(len(then)), parts):
        first, last = int(part[0]), int(part[-1]) + 1
        comparison.add(
            Pairs(
                then=then[first:last],
                now=now[first:last],
                truths=truths[first:last],
                inputs={name: values[first:last] for name, values in inputs.items()},
                devices=[f"pump-{place // 10}" if place % 2 else None for place in part],
                hours=[place % 24 for place in part],
                versions=["line-1.0.0"] * len(part),
            )
        )
    return comparison.report(version="line-1.0.1")


def test_labels_that_agree_and_those_that_do_not_are_counted() -> None:
    then = [label(0.2), label(0.9), label(0.8), label(0.1)]
    now = [label(0.3), label(0.95), label(0.4), label(0.1)]

    report = compared(CLASSES, then, now, parts=2)

    assert report.compared == 4
    assert (report.agreement.count, report.agreement.rate) == (3, 0.75)
    assert report.confusion is not None
    assert report.confusion.labels == ["normal", "fault"]
    assert report.confusion.counts == [[2, 0], [1, 1]]
    # Of the label answered then: -0.1, +0.05, -0.4, 0
    assert report.differences is not None
    assert report.differences.mean == pytest.approx(-0.1125)
    assert report.differences.mean_absolute == pytest.approx(0.1375)
    assert report.differences.median_absolute == pytest.approx(0.075)
    assert report.differences.largest_absolute == pytest.approx(0.4)
    assert sum(report.differences.histogram.counts) == 4


def test_values_agree_within_the_tolerance() -> None:
    then = [{"value": 10.0}, {"value": 20.0}, {"value": 30.0}, {"value": 40.0}]
    now = [{"value": 10.5}, {"value": 20.51}, {"value": 29.0}, {"value": 40.0}]

    report = compared(VALUES, then, now, tolerance=0.5, parts=1)

    assert (report.agreement.count, report.agreement.rows) == (2, 4)
    assert (report.unit, report.tolerance, report.confusion) == ("l/s", 0.5, None)
    assert report.differences is not None
    assert report.differences.mean == pytest.approx(0.0025)
    assert report.differences.median_absolute == pytest.approx(0.505)
    assert report.differences.p95_absolute == pytest.approx(np.quantile([0.5, 0.51, 1.0, 0.0], 0.95))


@pytest.mark.parametrize("shift", [0.3, -7.1, 1e17, 0.0])
def test_a_version_that_only_shifts_every_value_is_reported_on(shift: float) -> None:
    then = [{"value": 0.1 * number} for number in range(200)]
    now = [{"value": one["value"] + shift} for one in then]

    report = compared(VALUES, then, now, tolerance=0.01)

    assert report.differences is not None
    assert report.differences.mean == pytest.approx(shift)
    histogram = report.differences.histogram
    assert sum(histogram.counts) == 200
    assert histogram.edges[0] < shift < histogram.edges[-1]
    assert len(set(histogram.edges)) == len(histogram.edges)


def test_anomalies_differ_by_their_scores() -> None:
    then = [{"score": 0.4, "label": "anomaly"}, {"score": -0.2, "label": "normal"}]
    now = [{"score": -0.1, "label": "normal"}, {"score": -0.3, "label": "normal"}]

    report = compared(ANOMALY, then, now, parts=1)

    assert report.differences is not None
    assert report.differences.mean == pytest.approx(-0.3)
    assert report.confusion is not None
    assert report.confusion.counts == [[1, 0], [1, 0]]


@pytest.mark.parametrize(
    ("by", "name", "chosen"),
    [
        ("input", "site", lambda inputs, place: inputs["site"][place] == "south"),
        ("input", "mode", lambda inputs, place: inputs["mode"][place] == 2),
        ("input", "s1", lambda inputs, place: 40 <= inputs["s1"][place] < 50),
        ("hour", "hour", lambda inputs, place: place % 24 == 5),
    ],
)
def test_the_one_slice_where_a_version_differs_comes_first(by: str, name: str, chosen: Any) -> None:
    count, inputs = 6000, rows(6000)
    random = np.random.default_rng(5)
    wrong = [bool(chosen(inputs, place)) for place in range(count)]
    then = [label(0.1)] * count
    # In the slice nearly always, elsewhere once in a hundred.
    now = [label(0.9 if random.random() < (0.95 if there else 0.01) else 0.1) for there in wrong]

    report = compared(CLASSES, then, now, inputs=inputs)

    first = report.slices[0]
    assert (first.by, first.name) == (by, name)
    assert first.stands_out
    # Bins of numbers are cut where rows are many, not where the versions part.
    assert first.rate > (0.7 if name == "s1" else 0.85)
    if name == "site":
        assert first.value == "south"
        assert first.rows == sum(wrong)
    if name == "mode":
        assert (first.low, first.high) == (2.0, 3.0)
    if name == "s1":
        assert first.low == pytest.approx(40, abs=3)
        assert first.high == pytest.approx(50, abs=3)
    if name == "hour":
        assert first.value == 5
        assert [one.value for one in report.hours] == list(range(24))


def test_where_a_version_does_not_differ_no_slice_stands_out_by_chance() -> None:
    count = 6000
    random = np.random.default_rng(6)
    now = [label(0.9 if random.random() < 0.05 else 0.1) for _ in range(count)]

    report = compared(CLASSES, [label(0.1)] * count, now)

    assert [one.name for one in report.slices if one.stands_out] == []


def test_a_slice_with_few_rows_is_not_listed() -> None:
    count = 3000
    inputs = rows(count)
    inputs["site"][7] = inputs["site"][8] = "rare"
    now = [label(0.9 if site == "rare" else 0.1) for site in inputs["site"]]

    report = compared(CLASSES, [label(0.1)] * count, now, inputs=inputs)

    assert report.least_rows == 30
    assert "rare" not in [one.value for one in report.slices]


def test_rows_that_only_one_answered_are_counted_and_not_compared() -> None:
    then = [label(0.1), None, label(0.2), None, {"value": 3.0}]
    now = [label(0.1), label(0.1), None, None, label(0.7)]

    report = compared(CLASSES, then, now, parts=1)

    assert (report.rows, report.compared) == (5, 1)
    assert (report.only_then, report.only_now, report.neither) == (1, 2, 1)
    assert report.versions_then == {"line-1.0.0": 1}


def test_without_a_row_to_compare_there_is_a_report_all_the_same() -> None:
    report = compared(CLASSES, [None] * 4, [label(0.2)] * 4)

    assert (report.compared, report.agreement.rate, report.differences, report.quality) == (0, None, None, None)
    assert report.to_dict()["slices"] == []


def test_quality_counts_where_the_truth_is_known() -> None:
    random = np.random.default_rng(8)
    truth = random.choice(["normal", "fault"], 400).tolist()
    then = [label(one) for one in random.random(400)]
    now = [label(one) for one in random.random(400)]
    known = [one if place % 3 else None for place, one in enumerate(truth)]

    report = compared(CLASSES, then, now, truths=known)

    told = [place for place in range(400) if place % 3]
    assert report.quality is not None
    assert report.quality.rows == len(told)
    for answers, said in ((then, report.quality.then), (now, report.quality.now)):
        labels = [answers[place]["label"] for place in told]
        expected = [truth[place] for place in told]
        assert said["accuracy"] == pytest.approx(metrics.accuracy_score(expected, labels))
        assert said["f1_macro"] == pytest.approx(metrics.f1_score(expected, labels, average="macro"))


def test_values_are_judged_where_the_truth_is_known() -> None:
    then, now = [{"value": 1.0}, {"value": 5.0}, {"value": 7.0}], [{"value": 2.0}, {"value": 4.0}, {"value": 9.0}]

    report = compared(VALUES, then, now, truths=[2, None, 7.5], tolerance=0.1, parts=2)

    assert report.quality is not None
    assert (report.quality.rows, report.quality.better, report.quality.worse) == (2, 1, 1)
    assert (report.quality.then["mae"], report.quality.now["mae"]) == (0.75, 0.75)


def test_labels_that_only_an_older_version_had_come_last_in_the_confusion() -> None:
    then = [{"label": "broken", "scores": {"broken": 1.0}}, label(0.2)]

    report = compared(CLASSES, then, [label(0.9), label(0.2)], parts=1, truths=["fault", "normal"])

    assert report.confusion is not None
    assert report.confusion.labels == ["normal", "fault", "broken"]
    assert report.confusion.counts[2] == [0, 1, 0]
    assert report.quality is not None
    assert report.quality.rows == 1


def test_a_label_that_is_gone_scored_what_the_others_left() -> None:
    # As a replay reads it: scores of the labels of now only.
    then = [
        {"label": "broken", "scores": {"normal": 0.1, "fault": 0.2}},
        {"label": "broken", "scores": {"fault": None}},
    ]

    report = compared(CLASSES, then, [label(0.9), label(0.2)], parts=1)

    assert report.agreement.count == 0
    assert report.differences is not None
    assert report.differences.largest_absolute == pytest.approx(1.0)
    assert report.differences.mean == pytest.approx(-0.85)


def test_an_input_that_once_held_texts_does_not_end_the_report() -> None:
    comparison = Comparison(CLASSES, {"s1": ["high", 3.0, None], "mode": [], "site": []}, tolerance=None)

    assert comparison.report(version="line-1.0.0").rows == 0
