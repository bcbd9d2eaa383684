"""Quality from counts, against scikit-learn on the rows themselves."""

import numpy as np
import pytest
from sklearn import metrics

from jobs.replay.quality import Labels, Numbers

LABELS = ("normal", "fault", "never")


def test_labels_are_judged_as_by_scikit_learn() -> None:
    random = np.random.default_rng(3)
    truth, then, now = (random.choice(3, 500, p=[0.7, 0.3, 0.0]) for _ in range(3))
    counted = Labels(LABELS)
    for part in np.array_split(np.arange(500), 7):
        counted.add(truth[part], then[part], now[part])

    found = counted.quality()

    assert found is not None
    assert found.rows == 500
    for answers, said in ((then, found.then), (now, found.now)):
        precision, recall, f1, support = metrics.precision_recall_fscore_support(
            truth, answers, labels=range(3), zero_division=0.0
        )
        assert said["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answers))
        assert said["f1_macro"] == pytest.approx(f1.mean())
        for place, label in enumerate(LABELS):
            assert said["labels"][label] == pytest.approx(
                {"precision": precision[place], "recall": recall[place], "f1": f1[place], "support": support[place]}
            )
    assert found.better == int(((now == truth) & (then != truth)).sum())
    assert found.worse == int(((now != truth) & (then == truth)).sum())


def test_values_are_judged_as_by_scikit_learn() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(50, 10, 300)
    then, now = truth + random.normal(0, 4, 300), truth + random.normal(1, 2, 300)
    counted = Numbers()
    counted.add(truth[:100], then[:100], now[:100])
    counted.add(truth[100:], then[100:], now[100:])

    found = counted.quality()

    assert found is not None
    for values, said in ((then, found.then), (now, found.now)):
        assert said["mae"] == pytest.approx(metrics.mean_absolute_error(truth, values))
        assert said["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, values))
        assert said["r2"] == pytest.approx(metrics.r2_score(truth, values))
    assert found.better == int((np.abs(now - truth) < np.abs(then - truth)).sum())
    assert found.better + found.worse == 300


def test_where_the_truth_does_not_vary_there_is_no_r2() -> None:
    counted = Numbers()
    counted.add(np.array([5.0, 5.0]), np.array([4.0, 6.0]), np.array([5.0, 5.0]))

    found = counted.quality()

    assert found is not None
    assert (found.then["r2"], found.now["mae"]) == (None, 0.0)


def test_without_a_truth_there_is_no_quality() -> None:
    empty = np.array([], dtype=np.intp)
    labels, numbers = Labels(LABELS), Numbers()
    labels.add(empty, empty, empty)
    numbers.add(*[np.array([])] * 3)

    assert labels.quality() is None
    assert numbers.quality() is None
