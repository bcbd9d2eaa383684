"""How good a model is."""

import numpy as np
import pytest

from inference.engine.signature import Output
from jobs.training.evaluation import evaluate


def test_a_classification_is_measured_by_label() -> None:
    output = Output(kind="classification", labels=("well", "due"))
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    said = evaluate(output, scores, ["well", "well", "due", "due"], baseline=0.0)

    assert (said["rows"], said["accuracy"], said["balanced_accuracy"]) == (4, 0.5, 0.5)
    assert said["labels"]["due"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert said["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.3]).mean())
    assert said["roc_auc"] == 0.75


def test_a_regression_is_measured_against_a_constant() -> None:
    said = evaluate(Output(kind="regression"), np.array([1.0, 3.0]), [2.0, 3.0], baseline=4.0)

    assert (said["mae"], said["baseline_mae"], said["median_absolute_error"]) == (0.5, 1.5, 0.5)
    assert said["rmse"] == pytest.approx(np.sqrt(0.5))
    assert said["r2"] == pytest.approx(1 - 1 / 0.5)


def test_a_regression_on_one_value_has_no_share_explained() -> None:
    assert evaluate(Output(kind="regression"), np.array([1.0, 3.0]), [2.0, 2.0], baseline=2.0)["r2"] is None


def test_an_anomaly_is_measured_with_truth_or_without() -> None:
    scores = np.array([0.3, -0.2, -0.4, -0.1])

    assert evaluate(Output(kind="anomaly"), scores, [], baseline=0.0) == {"rows": 4, "share_anomalous": 0.25}
    known = evaluate(Output(kind="anomaly"), scores, ["anomaly", "normal", "normal", "normal"], baseline=0.0)
    assert (known["roc_auc"], known["average_precision"]) == (1.0, 1.0)
