"""The numbers behind the plots, against scikit-learn's own."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression

from inference.engine.runtimes import SklearnRuntime
from inference.engine.signature import Output, Signature
from jobs.training import plots

TWO = Output(kind="classification", labels=("well", "due"))
THREE = Output(kind="classification", labels=("red", "blue", "green"))


def scored(labels: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know something, and the truth as positions of labels."""
    chance = np.random.default_rng(5)
    truth = chance.integers(0, labels, rows)
    raw = chance.gamma(1.0, size=(rows, labels)) + 1.5 * np.eye(labels)[truth] * chance.random((rows, 1))
    return raw / raw.sum(axis=1, keepdims=True), truth


def test_roc_of_two_labels_is_scikit_learns() -> None:
    scores, truth = scored(2)
    (curve,) = plots.plots(TWO, scores, [TWO.labels[at] for at in truth])["roc"]
    false, true, _ = metrics.roc_curve(truth == 1, scores[:, 1])

    assert curve["label"] == "due"
    assert curve["auc"] == pytest.approx(metrics.roc_auc_score(truth == 1, scores[:, 1]))
    assert len(curve["fpr"]) == len(curve["tpr"]) <= plots.MOST_POINTS
    assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0, 0, 1, 1)
    known = [np.hypot(false - x, true - y).min() for x, y in zip(curve["fpr"], curve["tpr"], strict=True)]
    assert max(known) < 1e-6


def test_of_three_labels_each_is_set_against_the_rest() -> None:
    scores, truth = scored(3)
    shown = plots.plots(THREE, scores, [THREE.labels[at] for at in truth])

    assert [curve["label"] for curve in shown["roc"]] == list(THREE.labels)
    for at, curve in enumerate(shown["roc"]):
        assert curve["auc"] == pytest.approx(metrics.roc_auc_score(truth == at, scores[:, at]))
    assert [curve["label"] for curve in shown["reliability"]] == list(THREE.labels)


def test_reliability_is_scikit_learns() -> None:
    scores, truth = scored(2)
    (curve,) = plots.plots(TWO, scores, [TWO.labels[at] for at in truth])["reliability"]
    observed, predicted = calibration_curve(truth == 1, scores[:, 1], n_bins=plots.BINS)

    assert curve["observed"] == pytest.approx(observed.tolist())
    assert curve["predicted"] == pytest.approx(predicted.tolist())
    assert sum(curve["rows"]) == len(truth)


def test_confusion_is_scikit_learns() -> None:
    scores, truth = scored(3)
    shown = plots.plots(THREE, scores, [THREE.labels[at] for at in truth])["confusion"]

    assert shown["labels"] == list(THREE.labels)
    assert shown["rows"] == metrics.confusion_matrix(truth, scores.argmax(axis=1)).tolist()


def test_a_label_without_a_row_has_no_curve() -> None:
    scores, truth = scored(2)
    shown = plots.plots(THREE, np.hstack([scores, np.zeros((len(scores), 1))]), [THREE.labels[at] for at in truth])

    assert [curve["label"] for curve in shown["roc"]] == ["red", "blue"]


def test_residuals_are_answers_against_truths_and_their_histogram() -> None:
    chance = np.random.default_rng(1)
    truth = chance.normal(50, 10, 5000)
    values = truth + chance.normal(0, 2, 5000)
    shown = plots.plots(Output(kind="regression"), values, truth.tolist())["residuals"]
    counts, edges = np.histogram(values - truth, bins=len(shown["counts"]))

    assert shown["counts"] == counts.tolist()
    assert shown["edges"] == pytest.approx(edges.tolist(), rel=1e-5)
    assert len(shown["predicted"]) == len(shown["actual"]) == plots.MOST_DOTS
    first, last = shown["predicted"][0], shown["actual"][-1]
    assert (first, last) == (pytest.approx(values[0], rel=1e-6), pytest.approx(truth[-1], rel=1e-6))


def test_what_nobody_knows_has_no_plots() -> None:
    assert plots.plots(Output(kind="anomaly"), np.arange(3.0), []) == {}


def test_an_anomaly_endpoint_with_truth_has_a_roc() -> None:
    shown = plots.plots(Output(kind="anomaly"), np.arange(4.0), ["normal", "normal", "anomaly", "anomaly"])

    assert [(curve["label"], curve["auc"]) for curve in shown["roc"]] == [("anomaly", 1.0)]


def test_importances_are_scikit_learns() -> None:
    names = ("strong", "weak", "noise")
    signature = Signature.from_dict(
        {
            "inputs": [{"name": name, "dtype": "float"} for name in names],
            "output": {"kind": "classification", "labels": ["no", "yes"]},
        }
    )
    chance = np.random.default_rng(3)
    values = chance.normal(size=(800, 3)).astype(np.float32)
    truth = np.where(values[:, 0] * 2 + values[:, 1] + chance.normal(size=800) * 0.1 > 0, "yes", "no")
    model = LogisticRegression().fit(values, truth)
    runtime = SklearnRuntime(model, signature)

    def score(rows, known) -> float:
        return float((np.array(["no", "yes"])[runtime.scores(signature.columns(rows)).argmax(axis=1)] == known).mean())

    rows = [tuple(map(float, row)) for row in values]
    found = plots.importances(signature, rows, truth.tolist(), score, seed=11)
    order = np.random.default_rng(11).permutation(800)
    expected = permutation_importance(model, values[order], truth[order], n_repeats=5, random_state=11)

    assert [one["name"] for one in found["inputs"]] == list(names)
    assert [one["mean"] for one in found["inputs"]] == pytest.approx(expected.importances_mean.tolist())
    assert [one["deviation"] for one in found["inputs"]] == pytest.approx(expected.importances_std.tolist())


@pytest.mark.parametrize(("most", "rows", "repeats"), [(10**6, 1000, 5), (100_000, 1000, 1), (40_000, 400, 1)])
def test_importances_of_many_inputs_ask_about_fewer_rows(
    monkeypatch: pytest.MonkeyPatch, most: int, rows: int, repeats: int
) -> None:
    monkeypatch.setattr(plots, "MOST_CELLS", most)
    asked: list[int] = []

    def score(given, known) -> float:
        asked.append(len(given))
        return 0.0

    found = _of_ten_inputs(score)
    assert found is not None
    assert (found["rows"], found["repeats"]) == (rows, repeats)
    assert set(asked) == {rows}
    assert len(asked) == 1 + 10 * repeats


def test_importances_of_too_many_inputs_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "MOST_CELLS", 9_000)

    assert _of_ten_inputs(lambda *_: 0.0) is None


def _of_ten_inputs(score) -> dict | None:
    """Importances of ten inputs on 3,000 rows."""
    inputs = [{"name": f"x{at}", "dtype": "float"} for at in range(10)]
    signature = Signature.from_dict({"inputs": inputs, "output": {"kind": "regression"}})
    return plots.importances(signature, [(float(at),) * 10 for at in range(3000)], [0.0] * 3000, score, seed=1)
