"""Gradient boosting on histograms of the nine sensors."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline


def build(params: Mapping[str, Any], seed: int) -> Pipeline:
    """An unfitted pipeline."""
    return Pipeline([("boosting", HistGradientBoostingClassifier(random_state=seed, **params))])
