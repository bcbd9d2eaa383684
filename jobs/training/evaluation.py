"""How good a fitted pipeline is on rows it has not seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.engine.outputs import Scores, label_of
from inference.engine.signature import Output


def evaluate(output: Output, scores: Scores, targets: Sequence[str | float], *, baseline: float) -> dict[str, Any]:
    """Metrics that fit the kind of output.

    Args:
        output: the kind.
        scores: what `Runtime.scores` gave for the held-out rows.
        targets: the truth about them; for an anomaly endpoint they may be empty.
        baseline: a constant answer to compare a regression with (the mean of the training targets).
    """
    if output.kind == "classification":
        return _classification(output, scores, np.array(targets, dtype=str))
    if output.kind == "regression":
        return _regression(scores.astype(np.float64), np.array(targets, dtype=np.float64), baseline)
    return _anomaly(scores, np.array(targets, dtype=str))


def _classification(output: Output, scores: Scores, truth: npt.NDArray[Any]) -> dict[str, Any]:
    from sklearn import metrics

    labels = np.array(output.labels)
    answers = labels[label_of(scores)]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, answers, labels=labels, zero_division=0.0
    )
    position = {label: number for number, label in enumerate(output.labels)}
    chosen = scores[np.arange(len(truth)), [position[label] for label in truth.tolist()]].astype(np.float64)
    said: dict[str, Any] = {
        "rows": len(truth),
        "accuracy": float((answers == truth).mean()),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(truth, answers)),
        "log_loss": float(-np.log(np.clip(chosen, 1e-15, 1.0)).mean()),
        "f1_macro": float(f1.mean()),
        "labels": {
            label: {
                "precision": float(precision[number]),
                "recall": float(recall[number]),
                "f1": float(f1[number]),
                "support": int(support[number]),
            }
            for number, label in enumerate(output.labels)
        },
    }
    if len(labels) == 2 and len(set(truth.tolist())) == 2:
        said["roc_auc"] = float(metrics.roc_auc_score(truth == labels[1], scores[:, 1]))
    return said


def _regression(values: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], baseline: float) -> dict[str, Any]:
    error = np.abs(values - truth)
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "rows": len(truth),
        "mae": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "median_absolute_error": float(np.median(error)),
        "r2": 1.0 - float((error**2).sum()) / spread if spread else None,
        "baseline_mae": float(np.abs(truth - baseline).mean()),
    }


def _anomaly(scores: Scores, truth: npt.NDArray[Any]) -> dict[str, Any]:
    from sklearn import metrics

    said: dict[str, Any] = {"rows": len(scores), "share_anomalous": float((scores > 0).mean())}
    if len(set(truth.tolist())) == 2:
        known = truth == "anomaly"
        said["roc_auc"] = float(metrics.roc_auc_score(known, scores))
        said["average_precision"] = float(metrics.average_precision_score(known, scores))
    return said
