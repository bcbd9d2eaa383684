"""Logistic regression on the scaled sensors: the plain model the others have to beat."""

from collections.abc import Mapping
from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def build(params: Mapping[str, Any], seed: int) -> Pipeline:
    """An unfitted pipeline."""
    return Pipeline([("scale", StandardScaler()), ("regression", LogisticRegression(random_state=seed, **params))])
