"""From a fitted scikit-learn pipeline to ONNX. Whether the result is equal is for `parity` to find out."""

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from inference.engine.runtimes import MATRIX, OUTPUTS
from inference.engine.signature import Signature

OPSETS = {"": 18, "ai.onnx.ml": 3}
"""The newest pair every converter used here accepts; IsolationForest's fails on a newer one."""


class NotConvertible(ValueError):
    """There is no converter for a part of the pipeline, or it failed; the sentence says why."""


def to_onnx(estimator: Any, signature: Signature) -> bytes:
    """The ONNX model of a fitted estimator, reduced to the one output that holds the scores.

    Its inputs are `features` float32 [n, inputs] for an all-numeric signature; else one [n, 1] tensor an input, by
    name: float32, int64 or string.

    Raises:
        NotConvertible: it can't be expressed.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

    estimator = _with_float32_thresholds(copy.deepcopy(estimator))
    wanted = OUTPUTS[signature.output.kind]
    options = {id(estimator): {"zipmap": False}} if signature.output.kind == "classification" else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = convert_sklearn(
                estimator,
                name="foretell",
                initial_types=_inputs(signature),
                options=options,
                target_opset=OPSETS,
            )
            if wanted not in {output.name for output in model.graph.output}:
                raise NotConvertible(f"the converter gave no output `{wanted}`")
            # Without the label nobody asks for, its nodes go too.
            model = select_model_inputs_outputs(model, wanted)
            _order_opsets(model)
            return bytes(model.SerializeToString(deterministic=True))
    except NotConvertible:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise NotConvertible(f"no converter: {type(error).__name__}: {first[:200]}") from error


def _order_opsets(model: Any) -> None:
    """Give the opsets one order: the converter takes them out of a set, whose order each process has of its own."""
    ordered = sorted(model.opset_import, key=lambda opset: opset.domain, reverse=True)
    del model.opset_import[:]
    model.opset_import.extend(ordered)


def _with_float32_thresholds(estimator: Any) -> Any:
    """The estimator, the thresholds of its histogram trees rounded down to float32.

    Those trees compare in float64, half way between two training values. The converter rounds the threshold to the
    nearest float32: a reading just above it then lies on it and goes the other way. For float32 readings, `x <= t` and
    `x <= t rounded down` are the same.
    """
    for part in _parts(estimator, set()):
        for predictor in (tree for trees in getattr(part, "_predictors", ()) for tree in trees):
            exact = predictor.nodes["num_threshold"]
            with np.errstate(over="ignore"):
                rounded = exact.astype(np.float32)
            above = rounded > exact
            rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
            predictor.nodes["num_threshold"] = rounded
    return estimator


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Every object an estimator is made of, however deep in steps, lists and dicts."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list | tuple):
        inside = list(value)
    elif hasattr(value, "get_params") and hasattr(value, "__dict__"):
        yield value
        inside = list(vars(value).values())
    else:
        return
    for one in inside:
        yield from _parts(one, seen)


def _inputs(signature: Signature) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    if signature.all_numeric:
        return [(MATRIX, FloatTensorType([None, len(signature.inputs)]))]
    types = {"int64": Int64TensorType, "string": StringTensorType}
    return [(one.name, types.get(one.dtype, FloatTensorType)([None, 1])) for one in signature.inputs]
