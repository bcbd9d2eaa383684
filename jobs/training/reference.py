"""What the training data looked like, one summary an input: later data is compared with it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from inference.engine.inputs import Input
from inference.engine.signature import Row, Signature

BINS = 20
"""Numeric inputs are counted in at most this many bins of about equally many training rows."""
CATEGORIES = 200
"""The most frequent texts kept of a string input; the rest is counted as `other`."""


def summarise(signature: Signature, rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """A summary of each input over the training rows.

    A number: `count`, `nulls`, `edges` (rising), `counts` (one more than edges: bin i holds edges[i-1] <= x < edges[i],
    open at both ends), `mean`, `variance` (of the population), `min`, `max`; numbers rounded to float32 as the model
    sees them. A string: `count`, `nulls`, `categories` (text to count), `other`.
    """
    return {
        one.name: _strings([row[position] for row in rows])
        if one.dtype == "string"
        else _numbers(one, [row[position] for row in rows])
        for position, one in enumerate(signature.inputs)
    }


def _numbers(one: Input, values: Sequence[Any]) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    numbers = np.array(present, dtype=np.float32 if one.numeric else np.int64).astype(np.float64)
    said: dict[str, Any] = {"count": len(values), "nulls": len(values) - len(present)}
    if not present:
        return said | {"edges": [], "counts": [0], "mean": None, "variance": None, "min": None, "max": None}
    edges = np.unique(np.quantile(numbers, np.arange(1, BINS) / BINS))
    counts = np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1)
    return said | {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "mean": float(numbers.mean()),
        "variance": float(numbers.var()),
        "min": float(numbers.min()),
        "max": float(numbers.max()),
    }


def _strings(values: Sequence[Any]) -> dict[str, Any]:
    counted = Counter(value for value in values if value)
    # By count, then by text, so that equal data gives an equal summary.
    frequent = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:CATEGORIES]
    return {
        "count": len(values),
        "nulls": sum(not value for value in values),
        "categories": dict(frequent),
        "other": sum(counted.values()) - sum(count for _, count in frequent),
    }
