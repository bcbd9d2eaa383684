"""When two answers are equal, and the gate that compares ONNX with scikit-learn before a version may use it.

Equal means: the same label, unless scikit-learn's two best scores are within `LABEL_TIE`; scores within
`SCORE_TOLERANCE`; values within `VALUE_TOLERANCE` times the larger of the value and the targets' standard deviation.
Not the same bits: ONNX Runtime itself answers some rows differently in a batch of 1 and of 64.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inference.engine.outputs import Scores
from inference.engine.probes import probes
from inference.engine.runtimes import Runtime
from inference.engine.signature import Output, Row, Signature

LABEL_TIE = 2e-5
SCORE_TOLERANCE = 1e-5
VALUE_TOLERANCE = 1e-4

_BATCH = 64
_SINGLES = 256
_ROUNDING = 1.5e-7
"""What two recorded scores may differ by more than the models did, each being rounded to 7 digits."""

Verdict = Literal["bit-equal", "equal within tolerance", "different"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found on `rows` rows. `reason` says why they are not equal, None if they are."""

    equal: bool
    rows: int
    max_difference: float | None
    label_ties: int
    reason: str | None


def gate(
    signature: Signature, expected: Runtime, candidate: Runtime, held_out: Sequence[Row], *, scale: float, seed: int
) -> Comparison:
    """Compare a compiled version with scikit-learn on held-out rows and on every edge the signature allows.

    Args:
        signature: what both answer.
        expected: scikit-learn.
        candidate: ONNX.
        held_out: rows that were not trained on.
        scale: the standard deviation of a regression's targets, 0 for other outputs.
        seed: of the choice of rows.
    """
    rows, wanted = _answered(signature, expected, probes(signature, held_out, seed=seed))
    if not rows:
        return Comparison(False, 0, None, 0, "scikit-learn answered none of the rows")
    try:
        batches = [_asked(signature, candidate, rows[at : at + _BATCH]) for at in range(0, len(rows), _BATCH)]
        singles = [_asked(signature, candidate, [row]) for row in rows[:_SINGLES]]
    except Exception as error:  # noqa: BLE001 - whatever a compiled model raises, it is not equal
        return Comparison(False, len(rows), None, 0, f"ONNX Runtime failed: {str(error).strip()[:200]}")
    together = compare(signature.output, wanted, np.concatenate(batches), rows, scale=scale)
    if not together.equal:
        return together
    alone = compare(signature.output, wanted[:_SINGLES], np.concatenate(singles), rows, scale=scale)
    return together if alone.equal else alone


def compare(output: Output, expected: Scores, found: Scores, rows: Sequence[Row], *, scale: float) -> Comparison:
    """Compare scores row by row; shapes as `Runtime.scores` gives them."""
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    if expected.shape != found.shape:
        return Comparison(False, len(expected), None, 0, f"answers have shape {found.shape}, not {expected.shape}")
    difference = np.abs(expected - found)
    allowed: float | npt.NDArray[np.float64] = SCORE_TOLERANCE
    ties = 0
    bad = np.zeros(len(expected), dtype=bool)
    if output.kind == "regression":
        allowed = VALUE_TOLERANCE * np.maximum(np.abs(expected), scale)
    elif output.kind == "classification":
        other = expected.argmax(axis=1) != found.argmax(axis=1)
        best = np.sort(expected, axis=1)
        tied = best[:, -1] - best[:, -2] <= LABEL_TIE
        ties, bad = int((other & tied).sum()), other & ~tied
    # Written so that NaN counts as different.
    beyond = ~(difference <= allowed)
    bad |= beyond.any(axis=1) if beyond.ndim == 2 else beyond
    largest = float(np.nanmax(difference)) if np.isfinite(difference).any() else None
    reason = _reason(bad, expected, found, rows) if bad.any() else None
    return Comparison(reason is None, len(expected), largest, ties, reason)


def verdict(then: Mapping[str, Any], now: Mapping[str, Any], *, scale: float) -> Verdict:
    """What a prediction made again says of the stored one.

    Args:
        then: the stored output, as `outputs.encode` wrote it and JSON reads it.
        now: the output of today.
        scale: the manifest's `parity.scale`.
    """
    if then == now:
        return "bit-equal"
    if set(then) != set(now):
        return "different"
    if "value" in then:
        near = abs(then["value"] - now["value"]) <= VALUE_TOLERANCE * max(abs(then["value"]), scale)
    elif "score" in then:
        near = abs(then["score"] - now["score"]) <= SCORE_TOLERANCE + _ROUNDING
        near = near and (then["label"] == now["label"] or abs(then["score"]) <= LABEL_TIE)
    else:
        near = _scores_near(then, now)
    return "equal within tolerance" if near else "different"


def _scores_near(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    before, after = then["scores"], now["scores"]
    if set(before) != set(after):
        return False
    if any(abs(before[label] - after[label]) > SCORE_TOLERANCE + _ROUNDING for label in before):
        return False
    second, first = sorted(before.values())[-2:]
    return bool(then["label"] == now["label"] or first - second <= LABEL_TIE + _ROUNDING)


def _asked(signature: Signature, runtime: Runtime, rows: Sequence[Row]) -> Scores:
    return runtime.scores(signature.columns(rows))


def _answered(signature: Signature, runtime: Runtime, rows: Sequence[Row]) -> tuple[list[Row], Scores]:
    """The rows scikit-learn answers with finite numbers, and its answers. No version could answer the others."""
    kept: list[Row] = []
    answers: list[Scores] = []
    waiting = [list(rows[at : at + _BATCH]) for at in range(0, len(rows), _BATCH)]
    while waiting:
        part = waiting.pop(0)
        try:
            with np.errstate(all="ignore"):
                scores = _asked(signature, runtime, part)
        except ValueError:
            # One row it can't take fails the whole call: look for it by halves.
            if len(part) > 1:
                waiting[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
            continue
        finite = np.asarray(np.isfinite(scores.reshape(len(part), -1)).all(axis=1))
        kept += [row for row, good in zip(part, finite.tolist(), strict=True) if good]
        answers.append(scores[finite])
    return kept, np.concatenate(answers) if answers else np.empty(0)


def _reason(bad: npt.NDArray[np.bool_], expected: Scores, found: Scores, rows: Sequence[Row]) -> str:
    """A sentence about the worst row."""
    at = int(np.argmax(bad))
    shown = ", ".join("null" if value is None else f"{value!r:.20}" for value in rows[at][:12])
    wanted, got = np.atleast_1d(expected[at]), np.atleast_1d(found[at])
    worst = int(np.nan_to_num(np.abs(wanted - got), nan=math.inf).argmax())
    return (
        f"{int(bad.sum())} of {len(bad)} rows differ, e.g. scikit-learn {wanted[worst]:.7g} and ONNX {got[worst]:.7g} "
        f"for [{shown}]"
    )
