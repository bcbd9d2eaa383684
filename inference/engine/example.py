"""A reading nobody has to make up: usual values of a version's inputs, from what its training data looked like."""

import math
from collections.abc import Mapping
from typing import Any


def example(signature: Mapping[str, Any], reference: Mapping[str, Mapping[str, Any]]) -> dict[str, float | int | str]:
    """Features a version takes: of each input the mean within its range, or its most frequent category.

    Args:
        signature: as a manifest holds it.
        reference: the manifest's, by input; an input it does not know gets 0, or its first category.
    """
    return {said["name"]: _typical(said, reference.get(said["name"], {})) for said in signature["inputs"]}


def _typical(said: Mapping[str, Any], reference: Mapping[str, Any]) -> float | int | str:
    if said["dtype"] == "string":
        counts = reference.get("categories") or dict.fromkeys(said.get("categories") or [""], 0)
        return str(max(counts, key=counts.__getitem__))
    low, high = (said.get(name, default) for name, default in (("min", -math.inf), ("max", math.inf)))
    value = min(max(float(f"{reference.get('mean') or 0.0:.4g}"), low), high)
    return float(value) if said["dtype"] == "float" else round(value)
