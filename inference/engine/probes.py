"""The rows a compiled version is tried on: held-out data, and the edges of all that its signature lets in."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence

import numpy as np

from inference.engine.errors import InvalidInput
from inference.engine.inputs import Input, Value
from inference.engine.signature import Row, Signature

HELD_OUT = 2000
"""Held-out rows tried as they are."""
SPREAD = 3000
"""Changed rows, shared out among the inputs; each input gets at least `LEAST`."""
LEAST = 24
UNKNOWN = "a category nobody has seen"


def probes(signature: Signature, held_out: Sequence[Row], *, seed: int) -> list[Row]:
    """Rows the signature accepts: held-out ones first, then changed ones.

    Each changed row is a held-out one with one input at an edge (its limits and their float32 neighbours, points half
    way between values seen and their neighbours, null, an unknown category), or with all its nullable inputs null.
    """
    chance = random.Random(seed)
    rows = list(held_out) if len(held_out) <= HELD_OUT else chance.sample(list(held_out), HELD_OUT)
    made: list[Row] = []
    share = max(LEAST, SPREAD // len(signature.inputs))
    for position, one in enumerate(signature.inputs):
        values = list(_edges(one, [row[position] for row in rows], chance))
        for number in range(share):
            made.append(_with(chance.choice(rows), {position: values[number % len(values)]}))
    for number in range(LEAST * 4):
        made.append(_with(chance.choice(rows), _nulls(signature, chance, everything=number < LEAST)))
    return rows + [row for row in made if _accepted(signature, row)]


def _edges(one: Input, seen: Sequence[Value], chance: random.Random) -> Iterator[Value]:
    """Values of one input worth trying, the surest traps first."""
    if one.nullable:
        yield None
    if one.dtype == "string":
        yield from (UNKNOWN, "", " ", "Ünïcode ✓")
        yield from one.categories or ()
        yield from (value for value in seen[:LEAST] if value is not None)
        return
    low, high = one.refused_beyond
    limits = [low, high, *one.bounds, 0.0]
    if one.dtype != "float":
        yield from (int(limit) for limit in limits)
        yield from (int(limit) + step for limit in limits for step in (-1, 1))
        yield from (int(value) + chance.choice((-1, 1)) for value in seen[:LEAST] if value is not None)
        return
    for limit in limits:
        yield limit
        yield from _neighbours(limit)
    known = sorted({float(value) for value in seen if isinstance(value, int | float)})
    gaps = list(itertools.pairwise(known))
    for left, right in chance.sample(gaps, min(len(gaps), 4 * LEAST)):
        # Trees split half way between two values: float32 must fall on the same side as float64.
        middle = (left + right) / 2
        yield from (middle, *_neighbours(middle))


def _neighbours(value: float) -> tuple[float, float]:
    """The float32 just below and just above."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
        return float(np.nextafter(rounded, np.float32(-math.inf))), float(np.nextafter(rounded, np.float32(math.inf)))


def _nulls(signature: Signature, chance: random.Random, *, everything: bool) -> dict[int, Value]:
    nullable = [position for position, one in enumerate(signature.inputs) if one.nullable]
    return {position: None for position in nullable if everything or chance.random() < 0.5}


def _with(row: Row, changes: dict[int, Value]) -> Row:
    return tuple(changes.get(position, value) for position, value in enumerate(row))


def _accepted(signature: Signature, row: Row) -> bool:
    try:
        signature.row(row)
    except InvalidInput:
        return False
    return True
