"""Ridge regression on the last 24 hours."""

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def build(params: Mapping[str, Any], seed: int) -> Pipeline:
    """An unfitted pipeline."""
    return Pipeline([("scale", StandardScaler()), ("ridge", Ridge(random_state=seed, **params))])
