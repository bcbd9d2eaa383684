"""The plainest server of a scikit-learn model with FastAPI, as its documentation shows: load at start, predict.

Two ways, since its users write both: `async def`, which the documentation's own machine-learning example uses, and
`def`, which runs in a thread pool. It stores nothing, knows no credential and checks nothing beyond the types.
"""

import os
from contextlib import asynccontextmanager

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

models = {}


class Features(BaseModel):
    """The nine sensors."""

    s1: float
    s2: float
    s3: float
    s4: float
    s5: float
    s6: float
    s7: float
    s8: float
    s9: float


class Instance(BaseModel):
    """The body of a request."""

    features: Features


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Load the model before the first request."""
    models["shuttle"] = joblib.load(os.environ["MODEL"])
    yield
    models.clear()


app = FastAPI(lifespan=lifespan)


def answer(instance: Instance):
    """Label and scores of one instance."""
    model = models["shuttle"]
    scores = model.predict_proba(np.array([list(instance.features.model_dump().values())], dtype=np.float32))[0]
    labels = [str(label) for label in model.classes_]
    return {"label": labels[int(scores.argmax())], "scores": dict(zip(labels, scores.tolist(), strict=True))}


@app.post("/predict")
async def predict(instance: Instance):
    """Predict on the event loop."""
    return answer(instance)


@app.post("/predict-in-thread")
def predict_in_thread(instance: Instance):
    """Predict in the thread pool."""
    return answer(instance)
