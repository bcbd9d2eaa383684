"""The gate: which rules there are, and what comes of a version by them."""

import math
from typing import Any

import pytest

from inference.engine.signature import Output
from jobs.errors import AlgorithmInvalid
from jobs.training import gate

LABELS = Output(kind="classification", labels=("well", "due"))
VALUE = Output(kind="regression", unit="l/s")
ODD = Output(kind="anomaly")


def version(tag: str, runtime: str = "onnx", batch_ms: float = 1.0, **metrics: float) -> dict[str, Any]:
    """What was measured of a version; `base_…` on the base data alone."""
    base = {name.removeprefix("base_"): value for name, value in metrics.items() if name.startswith("base_")}
    return {
        "version": tag,
        "runtime": runtime,
        "full_batch_ms": batch_ms,
        "parity": {"reason": None if runtime == "onnx" else "no converter", "rows": 100},
        "metrics": {name: value for name, value in metrics.items() if not name.startswith("base_")},
        "base": base or None,
    }


def failed(said: dict[str, Any], output: Output, candidate: Any, champion: Any = None, **held_out: int) -> list[str]:
    """The rules that a version did not pass."""
    rules = gate.rules(said, output, "params.toml")
    measured = {
        "held_out": {"rows": 100, "feedback": 0} | held_out,
        "candidate": candidate,
        "champion": champion,
    }
    return [one.rule for one in gate.verdicts(rules, output, measured) if not one.passed]


@pytest.mark.parametrize(
    ("output", "said", "candidate", "champion", "expected"),
    [
        # without rules: better than guessing, at most a hundredth worse than the champion
        (LABELS, {}, version("a", balanced_accuracy=0.51), None, []),
        (LABELS, {}, version("a", balanced_accuracy=0.49), None, ["minimum"]),
        (LABELS, {}, version("a", balanced_accuracy=0.9), version("b", balanced_accuracy=0.909), []),
        (LABELS, {}, version("a", balanced_accuracy=0.9), version("b", balanced_accuracy=0.92), ["maximum_loss"]),
        (VALUE, {}, version("a", r2=-0.1), None, ["minimum"]),
        (VALUE, {}, version("a", r2=0.5), version("b", r2=0.4), []),
        (ODD, {}, version("a", share_anomalous=0.1), version("b", share_anomalous=0.1), []),
        # with them
        (LABELS, {"minimum": 0.95}, version("a", balanced_accuracy=0.9499), None, ["minimum"]),
        (LABELS, {"metric": "log_loss", "maximum": 0.3}, version("a", log_loss=0.31), None, ["maximum"]),
        (VALUE, {"metric": "mae", "maximum": 0.5}, version("a", mae=0.5), None, []),
        (VALUE, {"metric": "mae"}, version("a", mae=1.1, baseline_mae=1.0), None, ["maximum"]),
        (
            VALUE,
            {"metric": "mae", "maximum_loss": 0.1},
            version("a", mae=0.6, baseline_mae=9),
            version("b", mae=0.5),
            [],
        ),
        (
            VALUE,
            {"metric": "mae", "maximum_loss": 0.09},
            version("a", mae=0.6, baseline_mae=9),
            version("b", mae=0.5),
            ["maximum_loss"],
        ),
        (LABELS, {"minimum_rows": 101}, version("a", balanced_accuracy=1.0), None, ["minimum_rows"]),
        (LABELS, {"latency_ms": 2}, version("a", batch_ms=2.5, balanced_accuracy=1.0), None, ["latency_ms"]),
        (LABELS, {}, version("a", runtime="sklearn", balanced_accuracy=1.0), None, []),
        (LABELS, {"served_by": "onnx"}, version("a", runtime="sklearn", balanced_accuracy=1.0), None, ["served_by"]),
        (LABELS, {"metric": "accuracy"}, version("a", accuracy=0.49), None, ["minimum"]),
        # what could not be measured where it can be is not good enough
        (LABELS, {"metric": "roc_auc"}, version("a", balanced_accuracy=1.0), None, ["minimum"]),
    ],
)
def test_a_version_passes_or_not(
    output: Output, said: dict[str, Any], candidate: Any, champion: Any, expected: list[str]
) -> None:
    assert failed(said, output, candidate, champion) == expected


def test_feedback_can_not_teach_what_the_base_data_contradicts() -> None:
    taught = version("a", balanced_accuracy=0.99, base_balanced_accuracy=0.8)
    champion = version("b", balanced_accuracy=0.7, base_balanced_accuracy=0.95)

    assert failed({}, LABELS, taught, champion, feedback=60) == ["maximum_base_loss"]
    assert failed({"maximum_base_loss": 0.2}, LABELS, taught, champion, feedback=60) == []
    assert failed({}, LABELS, taught, champion, feedback=0) == []


def test_a_verdict_says_by_how_much() -> None:
    rules = gate.rules({"maximum_loss": 0.05}, LABELS, "")
    measured = {
        "held_out": {"rows": 100, "feedback": 0},
        "candidate": version("new", balanced_accuracy=0.9),
        "champion": version("old-1.0.0", balanced_accuracy=0.97),
    }
    loss = next(one for one in gate.verdicts(rules, LABELS, measured) if one.rule == "maximum_loss")

    assert (loss.bound, loss.value, loss.passed) == (0.05, pytest.approx(0.07), False)
    assert loss.detail == "balanced_accuracy 0.9; old-1.0.0 reaches 0.97 on the held-out rows"


def test_what_can_not_be_measured_is_told_apart() -> None:
    rules = gate.rules({}, ODD, "")

    assert not gate.measured(rules, {"candidate": version("a", share_anomalous=0.1)})
    assert gate.measured(rules, {"candidate": version("a", average_precision=0.1)})


@pytest.mark.parametrize(
    ("output", "said", "why"),
    [
        (LABELS, {"minimun": 0.9}, "minimun"),
        (LABELS, {"minimum": "high"}, "float"),
        (LABELS, {"metric": "mae"}, "one of accuracy, balanced_accuracy"),
        (LABELS, {"maximum": 0.9}, "more is better: give a `minimum`"),
        (VALUE, {"metric": "rmse", "minimum": 0.9}, "less is better: give a `maximum`"),
        (VALUE, {"maximum_loss": -0.1}, "below 0"),
        (VALUE, {"latency_ms": 0}, "below 0"),
        (VALUE, {"served_by": "pmml"}, "served_by"),
        (VALUE, {"maximum_loss": float("nan")}, "maximum_loss = nan"),
    ],
)
def test_rules_that_make_no_sense_are_named(output: Output, said: dict[str, Any], why: str) -> None:
    with pytest.raises(AlgorithmInvalid, match=why):
        gate.rules(said, output, "boilers/plain/params.toml")


def test_a_bound_without_end_can_be_kept_as_json() -> None:
    bounds = {"minimum": -math.inf, "maximum_loss": math.inf, "maximum_base_loss": math.inf, "latency_ms": math.inf}
    rules = gate.rules(bounds, LABELS, "")
    measured = {
        "held_out": {"rows": 100, "feedback": 60},
        "candidate": version("new", balanced_accuracy=0.1, base_balanced_accuracy=0.1),
        "champion": version("old", balanced_accuracy=0.9, base_balanced_accuracy=0.9),
    }
    found = gate.verdicts(rules, LABELS, measured)

    assert all(one.passed for one in found)
    assert [one.bound for one in found] == [30, "any", "any", "any", "any", "any"]
