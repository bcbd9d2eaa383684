"""The plots of a training run, from the numbers that `jobs.training.plots` left in its report."""

from collections.abc import Callable, Mapping
from typing import Any

from jobs.admin.plots import Line, Plot, histogram

MOST_INPUTS = 20
_WHOSE = (("candidate", "new"), ("champion", "live then"))
_DIAGONAL = [(0.0, 0.0), (1.0, 1.0)]


def run_plots(said: Mapping[str, Any]) -> list[Plot]:
    """What a run's page shows, as far as its report has it."""
    return [
        *_by_label(said, "roc", _roc),
        *_by_label(said, "reliability", _reliability),
        *_residuals(said.get("residuals") or {}),
        *_importances(said.get("importances")),
    ]


def _by_label(said: Mapping[str, Any], name: str, plot: Callable[[str, dict[str, Any]], Plot]) -> list[Plot]:
    """A plot for each label, with a line of each version."""
    curves: dict[str, dict[str, Any]] = {}
    for whose, called in _WHOSE:
        for curve in (said.get(name) or {}).get(whose) or []:
            curves.setdefault(curve["label"], {})[called] = curve
    return [plot(label, by_version) for label, by_version in curves.items()]


def _roc(label: str, curves: dict[str, Any]) -> Plot:
    lines = [
        Line(f"{called}, area {curve['auc']:.4f}", list(zip(curve["fpr"], curve["tpr"], strict=True)))
        for called, curve in curves.items()
    ]
    return Plot(
        f"roc-{label}",
        f"ROC of {label}",
        "share of wrong alarms",
        "share found",
        lines=[*lines, Line("guessing", _DIAGONAL, faint=True)],
        range=(0.0, 1.0),
    )


def _reliability(label: str, curves: dict[str, Any]) -> Plot:
    lines = [
        Line(called, list(zip(curve["predicted"], curve["observed"], strict=True))) for called, curve in curves.items()
    ]
    return Plot(
        f"reliability-{label}",
        f"Reliability of {label}",
        "score",
        f"share that was {label}",
        lines=[*lines, Line("as it should be", _DIAGONAL, faint=True)],
        range=(0.0, 1.0),
    )


def _residuals(said: Mapping[str, Any]) -> list[Plot]:
    """Answers against truths, and how the errors spread."""
    found = [(called, said[whose]) for whose, called in _WHOSE if said.get(whose)]
    if not found:
        return []
    lines = [Line(called, list(zip(one["actual"], one["predicted"], strict=True)), dots=True) for called, one in found]
    values = [value for line in lines for point in line.points for value in point]
    ends = [(min(values), min(values)), (max(values), max(values))]
    drawn = found[0][1]
    return [
        Plot("answers", "Answers and truths", "truth", "answer", lines=[*lines, Line("equal", ends, faint=True)]),
        histogram("errors", "Errors of the new version", "answer minus truth", "rows", drawn["edges"], drawn["counts"]),
    ]


def _importances(said: Mapping[str, Any] | None) -> list[Plot]:
    """How much each input matters, the most important first."""
    if not said:
        return []
    inputs = said["inputs"][:MOST_INPUTS]
    return [
        Plot(
            "importances",
            f"How much {said['metric']} suffers when an input is shuffled",
            "input",
            "worse by",
            labels=[one["name"] for one in inputs],
            bars=[("worse by", [one["mean"] for one in inputs])],
            sideways=True,
        )
    ]
