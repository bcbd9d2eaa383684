"""The engine against scikit-learn: rows in, answers as JSON text out, against `predict_proba` alone."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np

from inference.engine import loader, manifest
from tests.bench.pairs import Spread
from tests.bench.readings import SHUTTLE, rows
from tests.bench.report import Report

GOALS = {1: 100.0, 32: 20.0, 10_000: 1.0}


def bench(report: Report, *, pairs: int, measured_s: float) -> None:
    """Compare the committed forest in both runtimes for one row, a batch, and a file."""
    folder = SHUTTLE / "random_forest" / "1.0.0"
    ours = loader.load(folder, digest=manifest.digest_of((folder / "manifest.json").read_bytes()))
    theirs = joblib.load(folder / "model.joblib")
    print(f"\nEngine: LoadedModel.predict to JSON text against predict_proba ({ours.tag}, {ours.runtime.name})")
    report.line("", "times as fast")
    for size, goal in GOALS.items():
        batch = rows(size)
        matrix = np.array(batch, dtype=np.float32)
        own, reference = [], []
        for _ in range(pairs):
            before = _seconds(theirs.predict_proba, matrix, measured_s)
            own.append(_seconds(ours.predict, batch, measured_s))
            after = _seconds(theirs.predict_proba, matrix, measured_s)
            reference.append((before + after) / 2)
        spread = Spread(tuple(their / our for our, their in zip(own, reference, strict=True)))
        report.line(f"{size:,} rows", spread)
        ours_ms, theirs_ms = statistics.median(own) * 1000, statistics.median(reference) * 1000
        print(f"    {ours_ms:.3f} ms against {theirs_ms:.3f} ms", flush=True)
        report.at_least(f"engine against scikit-learn, {size:,} rows", goal, spread)


def _seconds(call: Callable[[Any], object], argument: object, measured_s: float) -> float:
    """The mean time of a call, over at least `measured_s` and one call, after one call to warm up."""
    call(argument)
    calls, started = 0, time.perf_counter()
    while (took_s := time.perf_counter() - started) < measured_s or not calls:
        call(argument)
        calls += 1
    return took_s / calls
