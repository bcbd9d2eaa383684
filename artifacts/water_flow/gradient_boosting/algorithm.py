"""Gradient boosting on histograms of the last 24 hours."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline


def build(params: Mapping[str, Any], seed: int) -> Pipeline:
    """An unfitted pipeline."""
    return Pipeline([("boosting", HistGradientBoostingRegressor(random_state=seed, **params))])
