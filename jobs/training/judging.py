"""Candidate and champion measured on the same held-out rows. Runs in the limited process; knows no Django."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import threadpoolctl

from inference.engine.loader import LoadedModel, load
from inference.engine.outputs import Scores
from inference.engine.signature import Row
from jobs.errors import DataInvalid
from jobs.training import machine
from jobs.training import plots as plotting
from jobs.training.datasets import Split
from jobs.training.evaluation import evaluate
from jobs.training.frozen import Frozen
from jobs.training.gate import Rules

_SLICE = 4096


@dataclass(frozen=True, slots=True)
class Judged:
    """A version to be measured: its folder and its manifest's digest."""

    folder: Path
    digest: str


def judge(
    data: Frozen, split: Split, rules: Rules, *, candidate: Judged, champion: Judged | None, seed: int
) -> dict[str, Any]:
    """Measure one or two versions, and say what plots show of them.

    Returns:
        `held_out` (`rows`, `base`, `feedback`), `candidate` and `champion` (`version`, `runtime`, `full_batch_ms`,
        `parity`, `metrics` on all held-out rows, `base` and `feedback`: metrics on those alone, None without rows),
        and `plots` (see `plots.plots`; `importances` of the candidate).

    Raises:
        ArtifactError: a version can't be loaded.
        DataInvalid: no row is held out.
    """
    if not split.held_out:
        raise DataInvalid("hold-out", "no row is held out to judge on.")
    asked = _Asked(data, split)
    model = load(candidate.folder, digest=candidate.digest)
    with threadpoolctl.threadpool_limits(machine.THREADS):
        scores = _scores(model, asked.rows)
        shown = plotting.plots(model.signature.output, scores, asked.truth)
        found = _measured(model, scores, asked)
        theirs, theirs_shown = None, None
        if champion is not None:
            other = load(champion.folder, digest=champion.digest)
            their_scores = _scores(other, asked.rows)
            theirs = _measured(other, their_scores, asked)
            theirs_shown = plotting.plots(model.signature.output, their_scores, asked.truth)
        both = plotting.both(shown, theirs_shown)
        if found["metrics"].get(rules.metric) is not None and (shuffled := _importances(model, asked, rules, seed)):
            both["importances"] = shuffled
    return {
        "held_out": {"rows": len(asked.rows), "base": asked.base, "feedback": len(asked.rows) - asked.base},
        "candidate": found,
        "champion": theirs,
        "plots": both,
    }


class _Asked:
    """The held-out rows: those of the base data first, `base` of them. `truth` is empty where nothing is known."""

    def __init__(self, data: Frozen, split: Split) -> None:
        dataset = data.dataset
        self.rows = [dataset.rows[at] for at in split.held_out]
        self.truth = [dataset.targets[at] for at in split.held_out] if dataset.targets else []
        self.base = sum(at < data.base for at in split.held_out)
        trained = [dataset.targets[at] for at in split.train] if dataset.targets else []
        numbers = [target for target in trained if not isinstance(target, str)]
        self.baseline = float(np.mean(numbers)) if numbers else 0.0


def _scores(model: LoadedModel, rows: Sequence[Row]) -> Scores:
    """The answers to rows, in slices so that memory stays bounded."""
    parts = [
        model.runtime.scores(model.signature.columns(rows[at : at + _SLICE])) for at in range(0, len(rows), _SLICE)
    ]
    return np.concatenate(parts)


def _measured(model: LoadedModel, scores: Scores, asked: _Asked) -> dict[str, Any]:
    output = model.signature.output

    def part(start: int, end: int) -> dict[str, Any] | None:
        if start == end:
            return None
        return evaluate(output, scores[start:end], asked.truth[start:end], baseline=asked.baseline)

    return {
        "version": model.tag,
        "runtime": model.runtime.name,
        "full_batch_ms": round(model.full_batch_s * 1000, 4),
        "parity": msgspec.to_builtins(model.manifest.parity),
        "metrics": part(0, len(asked.rows)),
        "base": part(0, asked.base),
        "feedback": part(asked.base, len(asked.rows)),
    }


def _importances(model: LoadedModel, asked: _Asked, rules: Rules, seed: int) -> dict[str, Any] | None:
    sign = -1.0 if rules.falling else 1.0

    def score(rows: Sequence[Row], truth: Sequence[Any]) -> float:
        metrics = evaluate(model.signature.output, _scores(model, rows), truth, baseline=asked.baseline)
        return sign * float(metrics.get(rules.metric) or 0.0)

    found = plotting.importances(model.signature, asked.rows, asked.truth, score, seed=seed)
    return found and {"metric": rules.metric, **found}
