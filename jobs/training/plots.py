"""What the plots of a version show, as numbers: curves, residuals, importances. Knows no Django.

Curves are thinned to `MOST_POINTS` points and scatter to `MOST_DOTS`, so that a report stays a few hundred KiB.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.engine.outputs import Scores, label_of
from inference.engine.signature import Output, Row, Signature

MOST_POINTS = 200
MOST_DOTS = 500
BINS = 10
IMPORTANCE_ROWS = 1000
LEAST_ROWS = 100
MOST_CELLS = 20_000_000
"""How many values are asked about at most to find the importances of all inputs: it grows with the inputs' square."""

Numbers = npt.NDArray[np.float64]


def plots(output: Output, scores: Scores, truth: Sequence[Any]) -> dict[str, Any]:
    """The plots that fit a kind of output, of one version on held-out rows; empty where nothing is known to be true.

    - classification: `roc` and `reliability`, an entry a label (of two labels, the second), and `confusion`, rows by
      truth and columns by answer, both in the order of the labels.
    - regression: `residuals`.
    - anomaly: `roc`.
    """
    if not len(truth):
        return {}
    if output.kind == "regression":
        return {"residuals": residuals(scores.astype(np.float64), np.array(truth, dtype=np.float64))}
    known = np.array(truth, dtype=str)
    if output.kind == "anomaly":
        return {"roc": [{"label": "anomaly", **curve}]} if (curve := roc(known == "anomaly", scores)) else {}
    labels = output.labels[1:] if len(output.labels) == 2 else output.labels
    columns = [(label, known == label, scores[:, output.labels.index(label)]) for label in labels]
    return {
        "roc": [{"label": label, **curve} for label, is_it, column in columns if (curve := roc(is_it, column))],
        "reliability": [{"label": label, **reliability(is_it, column)} for label, is_it, column in columns],
        "confusion": confusion(output, scores, known),
    }


def roc(truth: npt.NDArray[np.bool_], scores: Scores) -> dict[str, Any] | None:
    """A ROC curve: `fpr`, `tpr`, and the area `auc` under the whole curve; None where only one side is there."""
    from sklearn import metrics

    if truth.all() or not truth.any():
        return None
    false, true, _ = metrics.roc_curve(truth, scores)
    kept = _thinned(len(false))
    return {"fpr": _list(false[kept]), "tpr": _list(true[kept]), "auc": float(metrics.auc(false, true))}


def reliability(truth: npt.NDArray[np.bool_], scores: Scores) -> dict[str, Any]:
    """A reliability curve over `BINS` equal bins of the score: mean score, share of truth and rows of each, by bin.

    Bins without rows are left out.
    """
    place = np.clip((scores.astype(np.float64) * BINS).astype(int), 0, BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    used = rows > 0
    predicted = np.bincount(place, weights=scores.astype(np.float64), minlength=BINS)[used] / rows[used]
    observed = np.bincount(place, weights=truth.astype(np.float64), minlength=BINS)[used] / rows[used]
    return {"predicted": _list(predicted), "observed": _list(observed), "rows": rows[used].tolist()}


def confusion(output: Output, scores: Scores, truth: npt.NDArray[Any]) -> dict[str, Any]:
    """How often which truth got which answer."""
    from sklearn import metrics

    answers = np.array(output.labels)[label_of(scores)]
    return {
        "labels": list(output.labels),
        "rows": metrics.confusion_matrix(truth, answers, labels=list(output.labels)).tolist(),
    }


def residuals(values: Numbers, truth: Numbers) -> dict[str, Any]:
    """Answers and truths of at most `MOST_DOTS` rows, evenly spread, and a histogram of all (answer - truth)."""
    at = _thinned(len(values), MOST_DOTS)
    counts, edges = np.histogram(values - truth, bins=2 * BINS)
    return {
        "predicted": _list(values[at]),
        "actual": _list(truth[at]),
        "edges": _list(edges),
        "counts": counts.tolist(),
    }


def importances(
    signature: Signature,
    rows: Sequence[Row],
    truth: Sequence[Any],
    score: Callable[[Sequence[Row], Sequence[Any]], float],
    *,
    seed: int,
) -> dict[str, Any] | None:
    """How much worse the score gets when one input's values are shuffled: mean and deviation, the largest first.

    Args:
        score: more is better.
        seed: of the choice of at most `IMPORTANCE_ROWS` rows, and of the shuffles.

    Returns:
        None where there are so many inputs that less than `LEAST_ROWS` rows could be asked.
    """
    import pandas as pd
    from sklearn.inspection import permutation_importance

    a_row = len(signature.inputs) ** 2
    most = min(IMPORTANCE_ROWS, MOST_CELLS // a_row)
    if most < min(LEAST_ROWS, len(rows)):
        return None
    chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
    table = pd.DataFrame([rows[at] for at in chosen], columns=list(signature.names), dtype=object)
    repeats = max(1, min(5, MOST_CELLS // (len(chosen) * a_row)))

    def scoring(_: object, frame: pd.DataFrame, known: Sequence[Any]) -> float:
        return score(list(frame.itertuples(index=False, name=None)), known)

    found = permutation_importance(
        _Asked(), table, [truth[at] for at in chosen], scoring=scoring, n_repeats=repeats, random_state=seed
    )
    order = np.argsort(-found.importances_mean, kind="stable")
    return {
        "rows": len(chosen),
        "repeats": repeats,
        "inputs": [
            {
                "name": signature.names[at],
                "mean": float(found.importances_mean[at]),
                "deviation": float(found.importances_std[at]),
            }
            for at in order.tolist()
        ],
    }


class _Asked:
    """Stands for the version where scikit-learn wants an estimator; the score asks the version itself."""

    def fit(self, *_: Any) -> None:
        """Nothing is fitted."""


def both(candidate: Mapping[str, Any], champion: Mapping[str, Any] | None) -> dict[str, Any]:
    """Two versions' plots as one, by plot: `{"roc": {"candidate": …, "champion": …}}`."""
    return {name: {"candidate": shown, "champion": (champion or {}).get(name)} for name, shown in candidate.items()}


def _thinned(count: int, most: int = MOST_POINTS) -> npt.NDArray[np.intp]:
    """At most so many positions, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _list(values: npt.NDArray[Any]) -> list[float]:
    return [float(f"{value:.7g}") for value in values.tolist()]
