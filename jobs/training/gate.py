"""The gate: which measured versions may go on, by rules that stand in `params.toml` beside the code. No I/O.

Each rule becomes a verdict with its bound and the value that was found, whether it passed or not, so that people see
by how much.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from inference.engine.eager import eager
from inference.engine.signature import Output
from jobs.errors import AlgorithmInvalid

SCORES = {
    "classification": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc"),
    "regression": ("r2",),
    "anomaly": ("roc_auc", "average_precision"),
}
"""Metrics of which more is better, by kind of output."""
ERRORS = {
    "classification": ("log_loss",),
    "regression": ("mae", "rmse", "median_absolute_error"),
    "anomaly": (),
}
"""Metrics of which less is better."""
_DEFAULTS = {"classification": "balanced_accuracy", "regression": "r2", "anomaly": "average_precision"}


@eager
class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[gate]` of `params.toml`, every key of which may be left out.

    Attributes:
        metric: what a version is judged by, measured on held-out rows; by default `balanced_accuracy`, `r2` or
            `average_precision`, by kind of output.
        minimum: the least it must reach, for metrics of which more is better. Where neither `minimum` nor `maximum`
            is given, the least is what guessing reaches.
        maximum: the most it may reach, for errors.
        maximum_loss: how much worse than the champion it may be on the same rows, in the metric's own unit.
        maximum_base_loss: the same on the held-out rows of the base data alone, by default `maximum_loss`: whoever
            can give feedback can't teach a version what the data in git contradicts.
        minimum_rows: how many held-out rows it must have been measured on.
        latency_ms: how long a batch of 64 rows may take, on the machine that judges.
        served_by: `onnx` refuses a version that could not be compiled or was not found equal.
    """

    metric: str = ""
    minimum: float | None = None
    maximum: float | None = None
    maximum_loss: float = 0.01
    maximum_base_loss: float | None = None
    minimum_rows: int = 30
    latency_ms: float = 50.0
    served_by: Literal["any", "onnx"] = "any"

    @property
    def falling(self) -> bool:
        """Whether less of the metric is better."""
        return any(self.metric in names for names in ERRORS.values())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one rule. `value` is None where nothing could be measured."""

    rule: str
    bound: float | str
    value: float | str | None
    passed: bool
    detail: str


def rules(said: Mapping[str, Any], output: Output, place: str) -> Rules:
    """Read the table `[gate]`.

    Raises:
        AlgorithmInvalid: it has an unknown key, a metric that this kind of output has not, or a bound that makes no
            sense or is no number.
    """
    try:
        read = msgspec.convert(dict(said), Rules)
    except msgspec.ValidationError as error:
        raise AlgorithmInvalid(place, f"`[gate]`: {error}.") from error
    if nan := [name for name, value in said.items() if isinstance(value, float) and math.isnan(value)]:
        raise AlgorithmInvalid(place, f"`[gate]` has `{nan[0]} = nan`, which nothing reaches. Give a number.")
    known = SCORES[output.kind] + ERRORS[output.kind]
    read = msgspec.structs.replace(read, metric=read.metric or _DEFAULTS[output.kind])
    if read.metric not in known:
        raise AlgorithmInvalid(place, f"`[gate]` has metric {read.metric!r}; it is one of {', '.join(known)}.")
    wrong = "minimum" if read.falling else "maximum"
    if getattr(read, wrong) is not None:
        better = "less is better: give a `maximum`" if read.falling else "more is better: give a `minimum`"
        raise AlgorithmInvalid(place, f"`[gate]` has a `{wrong}`, but of {read.metric} {better}.")
    if min(read.maximum_loss, read.maximum_base_loss or 0, read.minimum_rows) < 0 or read.latency_ms <= 0:
        raise AlgorithmInvalid(place, "`[gate]` has a bound below 0; losses, rows and latency are 0 or more.")
    return read


def verdicts(rules: Rules, output: Output, measured: Mapping[str, Any]) -> list[Verdict]:
    """Judge a version.

    Args:
        measured: what `judging.judge` found: `held_out`, `candidate`, `champion` (None where there is none).
    """
    candidate, champion = measured["candidate"], measured["champion"]
    found = [_rows(rules, measured), _metric(rules, output, candidate["metrics"])]
    if champion is not None:
        loss = rules.maximum_loss
        found.append(_loss(rules, "maximum_loss", loss, candidate["metrics"], champion["metrics"], champion["version"]))
        if measured["held_out"]["feedback"]:
            bound = loss if rules.maximum_base_loss is None else rules.maximum_base_loss
            base = candidate["base"], champion["base"]
            found.append(_loss(rules, "maximum_base_loss", bound, *base, champion["version"]))
    return [*found, _latency(rules, candidate), _served(rules, candidate)]


def measured(rules: Rules, report: Mapping[str, Any]) -> bool:
    """Whether the rules' metric could be measured at all: an anomaly endpoint without truth can't be."""
    return report["candidate"]["metrics"].get(rules.metric) is not None


def _rows(rules: Rules, measured: Mapping[str, Any]) -> Verdict:
    rows = measured["held_out"]["rows"]
    return Verdict("minimum_rows", rules.minimum_rows, rows, rows >= rules.minimum_rows, "rows held out to judge on")


def _metric(rules: Rules, output: Output, metrics: Mapping[str, Any]) -> Verdict:
    value = metrics.get(rules.metric)
    if rules.falling:
        bound = rules.maximum if rules.maximum is not None else metrics.get(f"baseline_{rules.metric}", math.inf)
        passed = value is not None and value <= bound
        return Verdict("maximum", _said(bound), value, passed, f"{rules.metric} on the held-out rows")
    bound = rules.minimum if rules.minimum is not None else _guessing(rules.metric, output)
    if value is None and output.kind == "anomaly":
        detail = f"{rules.metric} can't be measured: the data does not say what is an anomaly"
        return Verdict("minimum", _said(bound), None, True, detail)
    passed = value is not None and value >= bound
    return Verdict("minimum", _said(bound), value, passed, f"{rules.metric} on the held-out rows")


def _loss(
    rules: Rules, name: str, bound: float, candidate: Mapping[str, Any], champion: Mapping[str, Any], tag: str
) -> Verdict:
    ours, theirs = candidate.get(rules.metric), champion.get(rules.metric)
    where = "the base data's held-out rows" if name == "maximum_base_loss" else "the held-out rows"
    if ours is None or theirs is None:
        return Verdict(name, _said(bound), None, True, f"{rules.metric} can't be measured on {where}")
    loss = round((ours - theirs) if rules.falling else (theirs - ours), 12)
    detail = f"{rules.metric} {ours:.6g}; {tag} reaches {theirs:.6g} on {where}"
    return Verdict(name, _said(bound), loss, loss <= bound, detail)


def _latency(rules: Rules, candidate: Mapping[str, Any]) -> Verdict:
    value = candidate["full_batch_ms"]
    return Verdict("latency_ms", _said(rules.latency_ms), value, value <= rules.latency_ms, "a batch of 64 rows")


def _served(rules: Rules, candidate: Mapping[str, Any]) -> Verdict:
    runtime, reason = candidate["runtime"], candidate["parity"]["reason"]
    detail = reason or f"equal to scikit-learn on {candidate['parity']['rows']:,} rows"
    return Verdict("served_by", rules.served_by, runtime, rules.served_by in ("any", runtime), detail)


def _guessing(metric: str, output: Output) -> float:
    """What an answer reaches that knows nothing."""
    if metric == "roc_auc":
        return 0.5
    return 1 / len(output.labels) if metric in ("accuracy", "balanced_accuracy") else 0.0


def _said(bound: float) -> float | str:
    # JSON has no infinity.
    return bound if math.isfinite(bound) else "any"
