"""When answers are equal, and what the gate finds."""

import itertools
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from inference.engine.export import to_onnx
from inference.engine.inputs import FLOAT32_MAX, Input, Value
from inference.engine.parity import Comparison, compare, gate, verdict
from inference.engine.probes import UNKNOWN, probes
from inference.engine.runtimes import OnnxRuntime, SklearnRuntime, estimator_input
from inference.engine.signature import Columns, Output, Row, Signature

TWO = Output(kind="classification", labels=("a", "b"))
FLOW = Output(kind="regression")
ODD = Output(kind="anomaly")


def numeric(output: Output, *, nullable: bool = False) -> Signature:
    """Three inputs from -10 to 10."""
    names = ("x", "y", "z")
    return Signature(
        tuple(Input(name=name, dtype="float", min=-10, max=10, nullable=nullable) for name in names), output
    )


def rows_of(signature: Signature, count: int = 600, *, missing: float = 0.0) -> list[Row]:
    """Seeded rows of a signature of floats, some values missing."""
    chance = np.random.default_rng(11)
    values = chance.normal(size=(count, len(signature.inputs))).round(2)
    gone = chance.random(values.shape) < missing
    return [
        tuple(None if off else value for value, off in zip(row, offs, strict=True))
        for row, offs in zip(values.tolist(), gone.tolist(), strict=True)
    ]


def found(signature: Signature, estimator: Any, rows: list[Row], targets: Any) -> Comparison:
    """What the gate says of an estimator fitted on the first half of the rows."""
    half = len(rows) // 2
    estimator.fit(estimator_input(signature.columns(rows[:half]), signature), targets[:half])
    scale = float(np.std(targets[:half])) if signature.output.kind == "regression" else 0.0
    compiled = OnnxRuntime(to_onnx(estimator, signature), signature)
    return gate(signature, SklearnRuntime(estimator, signature), compiled, rows[half:], scale=scale, seed=1)


def sums(rows: list[Row]) -> np.ndarray:
    """A target that depends on every input, missing ones counted as a half."""
    return np.array([sum(0.5 if value is None else float(value) for value in row) for row in rows])


def labels(rows: list[Row]) -> np.ndarray:
    """The sign of the sum, as a label."""
    return np.where(sums(rows) > 0, "b", "a")


# ---- The gate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(20, random_state=1),
        HistGradientBoostingClassifier(max_iter=20, random_state=1),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
def test_classifiers_without_missing_values_are_equal(estimator: Any) -> None:
    signature = numeric(TWO)
    rows = rows_of(signature)

    comparison = found(signature, estimator, rows, labels(rows))
    assert comparison.equal, comparison.reason
    assert comparison.rows > 2000


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=1)),
        HistGradientBoostingClassifier(max_iter=20, random_state=1),
    ],
)
def test_classifiers_that_treat_missing_values_are_equal(estimator: Any) -> None:
    signature = numeric(TWO, nullable=True)
    rows = rows_of(signature, missing=0.2)

    comparison = found(signature, estimator, rows, labels(rows))
    assert comparison.equal, comparison.reason


def test_a_forest_on_missing_values_without_an_imputer_is_caught() -> None:
    signature = numeric(TWO, nullable=True)
    rows = rows_of(signature, missing=0.2)

    comparison = found(signature, RandomForestClassifier(20, random_state=1), rows, labels(rows))
    assert not comparison.equal
    assert "rows differ" in str(comparison.reason)


def test_missing_values_are_tried_even_where_the_data_has_none() -> None:
    signature = numeric(TWO, nullable=True)
    rows = rows_of(signature)
    half = len(rows) // 2
    with_missing = rows_of(signature, missing=0.2)

    forest = RandomForestClassifier(20, random_state=1)
    forest.fit(estimator_input(signature.columns(with_missing), signature), labels(with_missing))
    compiled = OnnxRuntime(to_onnx(forest, signature), signature)
    assert not gate(signature, SklearnRuntime(forest, signature), compiled, rows[half:], scale=0, seed=1).equal


def test_boosting_with_categorical_features_is_caught() -> None:
    signature = Signature(
        (Input(name="kind", dtype="int", min=0, max=5), Input(name="y", dtype="float", min=-10, max=10)), TWO
    )
    chance = np.random.default_rng(2)
    rows: list[Row] = [
        (int(kind), float(y)) for kind, y in zip(chance.integers(0, 6, 800), chance.normal(size=800), strict=True)
    ]
    targets = np.where([kind in (1, 4) for kind, _ in rows], "b", "a")

    boosting = HistGradientBoostingClassifier(categorical_features=[0], max_iter=10, random_state=1)
    comparison = found(signature, boosting, rows, targets)
    assert not comparison.equal


def test_texts_missing_texts_and_unknown_ones_are_equal() -> None:
    signature = Signature(
        (
            Input(name="level", dtype="float", min=-10, max=10, nullable=True),
            Input(name="fuel", dtype="string", categories=("gas", "oil"), nullable=True, unknown="pass"),
            Input(name="serial", dtype="int64", min=0, max=2**53),
            Input(name="site", dtype="string", nullable=True),
        ),
        TWO,
    )
    chance = np.random.default_rng(3)
    fuels: list[Value] = ["gas", "oil", None]
    rows: list[Row] = [
        (
            None if chance.random() < 0.1 else float(chance.normal()),
            fuels[chance.integers(3)],
            int(chance.integers(99)),
            "x",
        )
        for _ in range(600)
    ]
    targets = np.where([(row[0] or 0.5) + (row[1] == "gas") > 0.5 for row in rows], "b", "a")
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["level"]),
            ("serial", StandardScaler(), ["serial"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["fuel", "site"]),
        ]
    )

    comparison = found(signature, make_pipeline(columns, LogisticRegression()), rows, targets)
    assert comparison.equal, comparison.reason
    tried = probes(signature, rows, seed=1)
    assert any(row[1] == UNKNOWN for row in tried)
    assert any(row[1] is None and row[0] is None for row in tried)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), Ridge()),
        HistGradientBoostingRegressor(max_iter=30, random_state=1),
    ],
)
def test_regressions_are_equal(estimator: Any) -> None:
    signature = numeric(FLOW)
    rows = rows_of(signature)

    comparison = found(signature, estimator, rows, sums(rows))
    assert comparison.equal, comparison.reason


def test_an_isolation_forest_is_equal() -> None:
    signature = numeric(ODD)
    rows = rows_of(signature)

    comparison = found(signature, IsolationForest(n_estimators=30, random_state=1), rows, [0] * len(rows))
    assert comparison.equal, comparison.reason


class Answers:
    """A runtime that answers with a function of the matrix."""

    def __init__(self, function: Any, name: str = "onnx") -> None:
        self.name = name
        self._function = function

    def scores(self, columns: Columns) -> Any:
        """The function's answers."""
        return self._function(columns.matrix.astype(np.float64))


def test_a_runtime_that_is_wrong_only_when_alone_is_caught() -> None:
    signature = numeric(FLOW)
    right = Answers(lambda matrix: matrix.sum(axis=1))
    wrong = Answers(lambda matrix: matrix.sum(axis=1) + (0.1 if len(matrix) == 1 else 0))

    assert gate(signature, right, right, rows_of(signature), scale=1.0, seed=1).equal
    assert not gate(signature, right, wrong, rows_of(signature), scale=1.0, seed=1).equal


def test_a_runtime_that_is_wrong_only_at_a_limit_is_caught() -> None:
    signature = numeric(FLOW)
    right = Answers(lambda matrix: matrix.sum(axis=1))
    wrong = Answers(lambda matrix: matrix.sum(axis=1) + (matrix == 10.0).any(axis=1))

    assert not gate(signature, right, wrong, rows_of(signature), scale=1.0, seed=1).equal


def test_a_runtime_that_raises_is_not_equal() -> None:
    signature = numeric(FLOW)
    right = Answers(lambda matrix: matrix.sum(axis=1))

    def fails(matrix: Any) -> Any:
        raise RuntimeError("no such kernel")

    comparison = gate(signature, right, Answers(fails), rows_of(signature), scale=1.0, seed=1)
    assert comparison.reason == "ONNX Runtime failed: no such kernel"


def test_rows_scikit_learn_refuses_are_left_out() -> None:
    signature = numeric(FLOW)

    def fussy(matrix: Any) -> Any:
        if (matrix > 9).any():
            raise ValueError("too large")
        return matrix.sum(axis=1)

    comparison = gate(
        signature, Answers(fussy), Answers(lambda matrix: matrix.sum(axis=1)), rows_of(signature), scale=1.0, seed=1
    )
    assert comparison.equal
    assert comparison.rows > 1000


# ---- The rows it tries ----------------------------------------------------------------------------------------------


def test_every_probe_is_a_row_the_signature_accepts() -> None:
    signature = numeric(TWO, nullable=True)
    tried = probes(signature, rows_of(signature), seed=4)

    assert [signature.row(list(row)) for row in tried] == tried
    assert probes(signature, rows_of(signature), seed=4) == tried


def test_limits_and_their_neighbours_are_tried() -> None:
    signature = Signature((Input(name="free", dtype="float"), Input(name="int", dtype="int", max=7)), FLOW)
    rows: list[Row] = [(float(number), number % 5) for number in range(50)]
    first, second = (set(values) for values in zip(*probes(signature, rows, seed=1), strict=True))

    assert {FLOAT32_MAX, -FLOAT32_MAX, 0.0, float(np.nextafter(np.float32(0), np.float32(1)))} <= first
    assert {-(2**24), 7, 6} <= second
    assert 0.5 in first


# ---- Equal ----------------------------------------------------------------------------------------------------------


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
