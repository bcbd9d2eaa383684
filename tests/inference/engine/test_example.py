"""A typical reading of a signature."""

import pytest

from inference.engine.example import example
from inference.engine.signature import Signature


def _signature(*inputs):
    return {"inputs": list(inputs), "output": {"kind": "regression"}}


def test_it_has_the_mean_of_numbers_and_the_most_frequent_category():
    signature = _signature(
        {"name": "t", "dtype": "float"}, {"name": "n", "dtype": "int"}, {"name": "c", "dtype": "string"}
    )
    reference = {"t": {"mean": 12.34567}, "n": {"mean": 2.6}, "c": {"categories": {"low": 3, "high": 9}}}
    assert example(signature, reference) == {"t": 12.35, "n": 3, "c": "high"}


def test_it_stays_within_the_range():
    signature = _signature({"name": "t", "dtype": "float", "min": 0, "max": 10})
    assert example(signature, {"t": {"mean": 11.2}}) == {"t": 10}
    assert example(signature, {"t": {"mean": -3}}) == {"t": 0}


@pytest.mark.parametrize(
    "said",
    [
        {"dtype": "float", "min": 5, "max": 9},
        {"dtype": "int"},
        {"dtype": "int64"},
        {"dtype": "string"},
        {"dtype": "string", "categories": ["a", "b"]},
        {"dtype": "float", "nullable": True},
    ],
)
def test_without_a_reference_it_is_still_a_reading_that_is_taken(said):
    signature = _signature(said | {"name": "x"})
    assert Signature.from_dict(signature).row(example(signature, {}))
