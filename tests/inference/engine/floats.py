"""Signatures of three floats, and rows of theirs."""

import numpy as np

from inference.engine.inputs import Input
from inference.engine.signature import Output, Row, Signature

TWO = Output(kind="classification", labels=("a", "b"))
FLOW = Output(kind="regression")
ODD = Output(kind="anomaly")


def numeric(output: Output, *, nullable: bool = False) -> Signature:
    """Three inputs from -10 to 10."""
    names = ("x", "y", "z")
    return Signature(
        tuple(Input(name=name, dtype="float", min=-10, max=10, nullable=nullable) for name in names), output
    )


def rows_of(signature: Signature, count: int = 600, *, missing: float = 0.0) -> list[Row]:
    """Seeded rows of a signature of floats, some values missing."""
    chance = np.random.default_rng(11)
    values = chance.normal(size=(count, len(signature.inputs))).round(2)
    gone = chance.random(values.shape) < missing
    return [
        tuple(None if off else value for value, off in zip(row, offs, strict=True))
        for row, offs in zip(values.tolist(), gone.tolist(), strict=True)
    ]
