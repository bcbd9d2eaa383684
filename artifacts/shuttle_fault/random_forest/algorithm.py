"""A random forest on the nine sensors as they are."""

from collections.abc import Mapping
from typing import Any

from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline


def build(params: Mapping[str, Any], seed: int) -> Pipeline:
    """An unfitted pipeline."""
    return Pipeline([("forest", RandomForestClassifier(random_state=seed, **params))])
