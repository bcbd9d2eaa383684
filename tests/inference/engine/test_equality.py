"""When answers are equal."""

import itertools
from typing import Any

import numpy as np
import pytest

from inference.engine.parity import compare, verdict
from tests.inference.engine.floats import FLOW, TWO


@pytest.mark.parametrize(
    ("expected", "got", "equal", "ties"),
    [
        ([[0.3, 0.7]], [[0.3, 0.7]], True, 0),
        ([[0.3, 0.7]], [[0.300009, 0.699991]], True, 0),
        ([[0.3, 0.7]], [[0.30002, 0.69998]], False, 0),
        ([[0.5, 0.5]], [[0.499995, 0.500005]], True, 1),
        ([[0.500008, 0.499992]], [[0.499999, 0.500001]], True, 1),
        ([[0.50002, 0.49998]], [[0.5, 0.5]], False, 0),
        ([[0.7, 0.3]], [[np.nan, np.nan]], False, 0),
    ],
)
def test_scores_are_equal_within_a_hundred_thousandth(expected: Any, got: Any, equal: bool, ties: int) -> None:
    comparison = compare(TWO, np.array(expected), np.array(got), [(1.0,)], scale=0)

    assert (comparison.equal, comparison.label_ties) == (equal, ties)


@pytest.mark.parametrize(
    ("expected", "got", "scale", "equal"),
    [
        (100.0, 100.009, 1.0, True),
        (100.0, 100.011, 1.0, False),
        (0.0, 0.0009, 10.0, True),
        (0.0, 0.0011, 10.0, False),
        (1e30, 1.0002e30, 1.0, False),
        (1.0, np.inf, 1.0, False),
        (1.0, np.nan, 1.0, False),
    ],
)
def test_values_are_equal_relative_to_themselves_or_the_spread(
    expected: float, got: float, scale: float, equal: bool
) -> None:
    assert compare(FLOW, np.array([expected]), np.array([got]), [(1.0,)], scale=scale).equal is equal


def test_another_shape_is_not_equal() -> None:
    assert not compare(FLOW, np.zeros(3), np.zeros((3, 1)), [(1.0,)] * 3, scale=1).equal


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({"value": 1.5}, {"value": 1.5}, "bit-equal"),
        ({"value": 1.5}, {"value": 1.50001}, "equal within tolerance"),
        ({"value": 1.5}, {"value": 1.6}, "different"),
        ({"score": 0.1, "label": "anomaly"}, {"score": 0.100009, "label": "anomaly"}, "equal within tolerance"),
        ({"score": 1e-6, "label": "anomaly"}, {"score": 0.0, "label": "normal"}, "equal within tolerance"),
        ({"score": 0.1, "label": "anomaly"}, {"score": 0.2, "label": "anomaly"}, "different"),
        ({"score": 0.1, "label": "anomaly"}, {"score": 0.1, "label": "normal"}, "different"),
        ({"value": 1.5}, {"score": 1.5, "label": "anomaly"}, "different"),
    ],
)
def test_a_prediction_made_again_is_compared_with_the_stored_one(then: Any, now: Any, said: str) -> None:
    assert verdict(then, now, scale=1.0) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((0.3, 0.7), (0.3, 0.7), "bit-equal"),
        ((0.3, 0.7), (0.300005, 0.699995), "equal within tolerance"),
        ((0.3, 0.7), (0.3001, 0.6999), "different"),
        ((0.500001, 0.499999), (0.499999, 0.500001), "equal within tolerance"),
    ],
)
def test_labels_and_scores_made_again_are_compared(before: Any, after: Any, said: str) -> None:
    then, now = (
        {"label": "a" if scores[0] >= scores[1] else "b", "scores": dict(zip("ab", scores, strict=True))}
        for scores in (before, after)
    )

    assert verdict(then, now, scale=0) == said


def test_other_labels_are_different() -> None:
    one, other = ({"label": name, "scores": {name: 0.9, "rest": 0.1}} for name in ("a", "b"))

    assert verdict(one, other, scale=0) == "different"
    assert all(verdict(said, said, scale=0) == "bit-equal" for said in itertools.chain([one], [other]))
