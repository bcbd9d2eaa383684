"""How good two answers to the same rows were, where the truth is known. Counted as rows come by."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.replay.report import Quality

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Labels:
    """The quality of labels, from two tables of truth against answer. Memory: two counts for each pair of labels."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = list(labels)
        self._then = np.zeros((len(labels), len(labels)), np.int64)
        self._now = np.zeros_like(self._then)
        self._better = self._worse = 0

    def add(self, truth: Places, then: Places, now: Places) -> None:
        """Count rows; each array holds positions of labels."""
        np.add.at(self._then, (truth, then), 1)
        np.add.at(self._now, (truth, now), 1)
        self._better += int(((now == truth) & (then != truth)).sum())
        self._worse += int(((now != truth) & (then == truth)).sum())

    def quality(self) -> Quality | None:
        """What came of it; None without rows."""
        rows = int(self._then.sum())
        if not rows:
            return None
        then, now = (label_metrics(table, self._labels) for table in (self._then, self._now))
        return Quality(rows, then, now, self._better, self._worse)


class Numbers:
    """The quality of values. Memory: three numbers a row with a known truth."""

    def __init__(self) -> None:
        self._parts: list[tuple[Floats, Floats, Floats]] = []

    def add(self, truth: Floats, then: Floats, now: Floats) -> None:
        """Take rows."""
        self._parts.append((truth, then, now))

    def quality(self) -> Quality | None:
        """What came of it; None without rows."""
        if not sum(len(part[0]) for part in self._parts):
            return None
        truth, then, now = (np.concatenate(arrays) for arrays in zip(*self._parts, strict=True))
        before, after = np.abs(then - truth), np.abs(now - truth)
        better, worse = int((after < before).sum()), int((after > before).sum())
        return Quality(len(truth), value_metrics(then, truth), value_metrics(now, truth), better, worse)


def label_metrics(table: npt.NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """Metrics from a confusion matrix, truth by row and answer by column; definitions as scikit-learn's.

    Precision is the share of answers with a label that were true, recall the share of a label's rows that were
    answered so, F1 = 2·P·R / (P + R) (van Rijsbergen, "Information Retrieval", 1979); each is 0 where it has no
    denominator. `f1_macro` is the mean of F1 over all labels.
    """
    right = np.diag(table).astype(np.float64)
    support, answered = table.sum(axis=1), table.sum(axis=0)
    precision, recall = _shares(right, answered), _shares(right, support)
    f1 = _shares(2 * right, support + answered)
    return {
        "accuracy": float(right.sum() / table.sum()),
        "f1_macro": float(f1.mean()),
        "labels": {
            label: {
                "precision": float(precision[place]),
                "recall": float(recall[place]),
                "f1": float(f1[place]),
                "support": int(support[place]),
            }
            for place, label in enumerate(labels)
        },
    }


def value_metrics(values: Floats, truth: Floats) -> dict[str, Any]:
    """Mean absolute error, root of the mean squared error, and R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)².

    R² is None where the truth does not vary. Definitions as scikit-learn's.
    """
    error = values - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / spread if spread else None,
    }


def _shares(part: Floats, whole: npt.NDArray[Any]) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
