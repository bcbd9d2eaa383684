"""The rows that two runtimes are compared on."""

import numpy as np

from inference.engine.inputs import FLOAT32_MAX, Input
from inference.engine.probes import probes
from inference.engine.signature import Row, Signature
from tests.inference.engine.floats import FLOW, TWO, numeric, rows_of


def test_every_probe_is_a_row_the_signature_accepts() -> None:
    signature = numeric(TWO, nullable=True)
    tried = probes(signature, rows_of(signature), seed=4)

    assert [signature.row(list(row)) for row in tried] == tried
    assert probes(signature, rows_of(signature), seed=4) == tried


def test_limits_and_their_neighbours_are_tried() -> None:
    signature = Signature((Input(name="free", dtype="float"), Input(name="int", dtype="int", max=7)), FLOW)
    rows: list[Row] = [(float(number), number % 5) for number in range(50)]
    first, second = (set(values) for values in zip(*probes(signature, rows, seed=1), strict=True))

    assert {FLOAT32_MAX, -FLOAT32_MAX, 0.0, float(np.nextafter(np.float32(0), np.float32(1)))} <= first
    assert {-(2**24), 7, 6} <= second
    assert 0.5 in first
