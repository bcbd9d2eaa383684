"""What the gate finds between an estimator and its compiled form."""

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
from inference.engine.inputs import Input, Value
from inference.engine.parity import Comparison, gate
from inference.engine.probes import UNKNOWN, probes
from inference.engine.runtimes import OnnxRuntime, SklearnRuntime, estimator_input
from inference.engine.signature import Columns, Row, Signature
from tests.inference.engine.floats import FLOW, ODD, TWO, numeric, rows_of


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
