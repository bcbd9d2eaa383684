"""Summaries of the training data."""

import numpy as np
import pytest

from inference.engine.inputs import Input
from inference.engine.signature import Output, Row, Signature
from jobs.training.reference import CATEGORIES, summarise

SIGNATURE = Signature(
    (
        Input(name="level", dtype="float", nullable=True),
        Input(name="serial", dtype="int64"),
        Input(name="fuel", dtype="string", nullable=True),
    ),
    Output(kind="regression"),
)


def test_numbers_are_counted_in_bins_of_equal_share() -> None:
    rows: list[Row] = [(float(number), number, "gas") for number in range(1000)]
    said = summarise(SIGNATURE, rows)["level"]

    assert (said["count"], said["nulls"], said["min"], said["max"]) == (1000, 0, 0.0, 999.0)
    assert len(said["edges"]) == 19
    assert said["counts"] == [50] * 20
    assert said["mean"] == pytest.approx(499.5)
    assert said["variance"] == pytest.approx(np.var(np.arange(1000)))


def test_a_value_on_an_edge_belongs_to_the_bin_above() -> None:
    said = summarise(SIGNATURE, [(1.0, 1, None)] * 10 + [(2.0, 2, None)] * 10)["serial"]

    assert said["edges"] == [1.0, 1.5, 2.0]
    assert said["counts"] == [0, 10, 0, 10]


def test_missing_values_are_counted_apart() -> None:
    said = summarise(SIGNATURE, [(None, 1, None), (2.5, 1, "oil"), (None, 1, "oil")])

    assert (said["level"]["count"], said["level"]["nulls"], sum(said["level"]["counts"])) == (3, 2, 1)
    assert said["fuel"] == {"count": 3, "nulls": 1, "categories": {"oil": 2}, "other": 0}


def test_an_input_that_is_always_missing_has_no_moments() -> None:
    said = summarise(SIGNATURE, [(None, 1, None)])["level"]

    assert (said["mean"], said["edges"], said["counts"]) == (None, [], [0])


def test_rare_texts_are_counted_together() -> None:
    rows: list[Row] = [(1.0, 1, f"text {number}") for number in range(CATEGORIES + 5)]
    said = summarise(SIGNATURE, [*rows, (1.0, 1, "text 204")])["fuel"]

    assert len(said["categories"]) == CATEGORIES
    assert next(iter(said["categories"].items())) == ("text 204", 2)
    assert said["other"] == 5
