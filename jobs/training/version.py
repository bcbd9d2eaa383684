"""Making a version: definition, code and data in, a version's files out, the same to the bit on the same machine."""

import random
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import threadpoolctl

from inference.engine import manifest as manifests
from inference.engine import parity, pickles
from inference.engine.definition import Definition
from inference.engine.errors import ArtifactUnsafe
from inference.engine.export import NotConvertible, to_onnx
from inference.engine.loader import COMPILED, GOLDEN, MODEL, golden_bytes
from inference.engine.manifest import Manifest, Parity
from inference.engine.runtimes import OnnxRuntime, Runtime, SklearnRuntime, estimator_input
from inference.engine.signature import Row, Signature
from jobs.errors import TrainingFailed
from jobs.training import machine
from jobs.training.algorithms import Algorithm
from jobs.training.datasets import Dataset, Split
from jobs.training.evaluation import evaluate
from jobs.training.reference import summarise

GOLDEN_ROWS = 64
_METHODS = {"classification": "predict_proba", "regression": "predict", "anomaly": "decision_function"}

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """What one fit gave."""

    estimator: Any
    runtime: SklearnRuntime
    held_out: list[Row]
    metrics: Mapping[str, Any]
    scale: float


def make(
    definition: Definition,
    code: Algorithm,
    number: str,
    dataset: Dataset,
    split: Split,
    *,
    data: Mapping[str, manifests.Data],
    say: Say = lambda text: None,
) -> dict[str, bytes]:
    """Train a version and say its files by name, `manifest.json` among them.

    Args:
        number: MAJOR.MINOR.PATCH.
        data: what the manifest says of where the rows come from.
        say: told what is being done, a line each.

    Raises:
        TrainingError: the pipeline can't be fitted, or can't answer what the endpoint asks.
        ArtifactUnsafe: the model can't be pickled, or its pickle names code it may not name.
    """
    say(f"  {len(split.train):,} rows to train on, {len(split.held_out):,} held out")
    fitted = _fit(definition, code, dataset, split, say)
    files, compiled, compared = _files(definition.signature, code, fitted, say)
    manifest = Manifest(
        format=manifests.FORMAT,
        endpoint=definition.slug,
        algorithm=code.name,
        version=number,
        signature=definition.signature.to_dict(),
        files={name: manifests.File(sha256=manifests.sha256(file), bytes=len(file)) for name, file in files.items()},
        code={**code.code, **dataset.code},
        data=dict(data),
        seed=code.seed,
        params=dict(code.params),
        distributions=code.distributions,
        metrics=dict(fitted.metrics),
        environment=machine.described(code.distributions),
        runtime=compiled.name,
        parity=compared,
        reference=summarise(definition.signature, [dataset.rows[position] for position in split.train]),
    )
    return {**files, manifests.NAME: manifests.written(manifest)}


def _fit(definition: Definition, code: Algorithm, dataset: Dataset, split: Split, say: Say) -> _Fitted:
    """Fit on float32-rounded values with one thread, and measure on the held-out rows."""
    signature, place = definition.signature, f"{definition.folder.name}/{code.name}"
    rows = [dataset.rows[position] for position in split.train]
    held_out = [dataset.rows[position] for position in split.held_out]
    targets = [dataset.targets[position] for position in split.train] if dataset.targets else []
    started = time.perf_counter()
    estimator = _estimator(signature, code, rows, targets, place, say)
    say(f"  fitted in {time.perf_counter() - started:.1f} s")
    runtime = _answering(estimator, signature, place)
    numbers = np.array(targets, dtype=np.float64) if signature.output.kind == "regression" else np.zeros(1)
    truth = [dataset.targets[position] for position in split.held_out] if dataset.targets else []
    with threadpoolctl.threadpool_limits(machine.THREADS):
        scores = runtime.scores(signature.columns(held_out))
    metrics = evaluate(signature.output, scores, truth, baseline=float(numbers.mean()))
    shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, float))
    say(f"  held out: {shown}")
    return _Fitted(estimator=estimator, runtime=runtime, held_out=held_out, metrics=metrics, scale=float(numbers.std()))


def _estimator(signature: Signature, code: Algorithm, rows: list[Row], targets: list[Any], place: str, say: Say) -> Any:
    """A fitted pipeline."""
    # For steps whose author forgot to pass the seed on: two runs shall give the same bits all the same.
    random.seed(code.seed)
    np.random.seed(code.seed)
    truth = np.array(targets) if signature.output.kind != "anomaly" else None
    try:
        with threadpoolctl.threadpool_limits(machine.THREADS), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = code.build(code.params, code.seed)
            jobs = {name: None for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"}
            estimator.set_params(**jobs)
            inputs = estimator_input(signature.columns(rows), signature)
            estimator.fit(inputs, truth)
    except Exception as error:
        raise TrainingFailed(place, f"the pipeline can't be fitted: {type(error).__name__}: {error}") from error
    for text in dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught):
        say(f"  warning: {text}")
    return estimator


def _answering(estimator: Any, signature: Signature, place: str) -> SklearnRuntime:
    """The fitted pipeline as a runtime, once it is known to answer what the endpoint asks."""
    kind = signature.output.kind
    if not hasattr(estimator, _METHODS[kind]):
        raise TrainingFailed(place, f"a {kind} endpoint needs a pipeline with `{_METHODS[kind]}`; this one has none.")
    if kind == "classification":
        learnt = sorted(str(label) for label in estimator.classes_)
        if learnt != sorted(signature.output.labels):
            labels = ", ".join(signature.output.labels)
            raise TrainingFailed(place, f"it learnt the labels {', '.join(learnt)}; the endpoint has {labels}.")
    return SklearnRuntime(estimator, signature)


def _files(
    signature: Signature, code: Algorithm, fitted: _Fitted, say: Say
) -> tuple[dict[str, bytes], Runtime, Parity]:
    """The version's files, the runtime that shall answer it, and what the gate found."""
    pickled = pickles.dumps(fitted.estimator)
    # What is served is what the file holds, so everything from here on asks the estimator read back from it.
    expected = SklearnRuntime(pickles.loads(pickled, distributions=code.distributions), signature)
    files, runtime = {MODEL: pickled}, expected
    with threadpoolctl.threadpool_limits(machine.THREADS):
        candidate, compiled, compared = _gated(signature, expected, fitted, pickled, code)
        if candidate is not None:
            files[COMPILED], runtime = compiled, candidate
            say(f"  ONNX equal on {compared.rows:,} rows, largest difference {compared.max_difference:.2g}")
        else:
            say(f"  answered by scikit-learn: {compared.reason}")
        chosen = random.Random(code.seed).sample(fitted.held_out, min(GOLDEN_ROWS, len(fitted.held_out)))
        files[GOLDEN] = golden_bytes(signature, runtime, chosen)
    return files, runtime, compared


def _gated(
    signature: Signature, expected: SklearnRuntime, fitted: _Fitted, pickled: bytes, code: Algorithm
) -> tuple[OnnxRuntime | None, bytes, Parity]:
    """The compiled version if it is equal, and what was found either way."""
    try:
        compiled = to_onnx(pickles.loads(pickled, distributions=code.distributions), signature)
        candidate = OnnxRuntime(compiled, signature)
    except (NotConvertible, ArtifactUnsafe) as error:
        nothing = Parity(equal=False, rows=0, max_difference=None, label_ties=0, scale=fitted.scale, reason=str(error))
        return None, b"", nothing
    found = parity.gate(signature, expected, candidate, fitted.held_out, scale=fitted.scale, seed=code.seed)
    compared = Parity(
        equal=found.equal,
        rows=found.rows,
        max_difference=found.max_difference,
        label_ties=found.label_ties,
        scale=fitted.scale,
        reason=found.reason,
    )
    return (candidate if found.equal else None), compiled, compared
