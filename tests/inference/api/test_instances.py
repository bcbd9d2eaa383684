"""Fast accept and slow explain give the same rows; whatever hides something is explained."""

import json

import msgspec
import pytest
from hypothesis import given, settings, strategies

from inference.api.instances import MAX_INSTANCES, InstanceReader, reader
from inference.engine import strict_json
from inference.engine.errors import InvalidInput
from inference.engine.signature import Signature
from tests.inference.api.valve import GOOD, SIGNATURE

READER = InstanceReader(SIGNATURE)

texts = strategies.text(max_size=20) | strategies.sampled_from(["a:b", "north", 'say "no"', "\\", "é"])
numbers = strategies.floats(-50, 150) | strategies.integers(-5, 200) | strategies.sampled_from([1e30, 0.5, -0.0])
values = numbers | texts | strategies.none() | strategies.booleans()


@strategies.composite
def features(draw: strategies.DrawFn) -> object:
    """An instance with few things wrong, by name or in order."""
    made = dict(GOOD)
    for name in draw(strategies.lists(strategies.sampled_from([*GOOD, "speed"]), max_size=2)):
        made[name] = draw(values)
    for name in draw(strategies.lists(strategies.sampled_from(list(GOOD)), max_size=1)):
        made.pop(name)
    return draw(strategies.sampled_from([made, list(made.values())]))


bodies = (
    strategies.builds(lambda one: {"features": one}, features())
    | strategies.builds(lambda some: {"instances": some}, strategies.lists(features(), max_size=4))
    | strategies.fixed_dictionaries({}, optional={"features": features(), "instances": values, "x": values})
)


def explained(raw: bytes) -> object:
    """What the strict decoder alone makes of a body."""
    try:
        return READER._explained(raw)
    except InvalidInput as refusal:
        return refusal.problems


def read(raw: bytes) -> object:
    try:
        return [instance.row for instance in READER.read(raw)]
    except InvalidInput as refusal:
        return refusal.problems


@given(bodies, strategies.booleans(), strategies.sampled_from([None, 1]))
@settings(max_examples=200, deadline=None)
def test_fast_and_slow_agree(body: object, ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert read(raw) == explained(raw)


@given(strategies.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_body_is_never_read_as_something_else(data: strategies.DataObject) -> None:
    raw = bytearray(json.dumps({"features": GOOD}).encode())
    for _ in range(data.draw(strategies.integers(1, 3))):
        at = data.draw(strategies.integers(0, len(raw) - 1))
        raw[at : at + data.draw(strategies.integers(0, 2))] = data.draw(
            strategies.sampled_from([b"", b"\\", b'"', b",", b":", b"\x00", b"\xff", b"1", b"e", b"{", b"}", b"\x01"])
        )
    assert read(bytes(raw)) == explained(bytes(raw))


@pytest.mark.parametrize("name", ["temp", "note", "site", "load"])
@pytest.mark.parametrize("spelling", [json.dumps, lambda name: f'"\\u{ord(name[0]):04x}{name[1:]}"'])
def test_a_feature_that_came_twice_is_refused_in_any_spelling(name: str, spelling) -> None:
    pairs = [f"{json.dumps(one)}:{json.dumps(value)}" for one, value in GOOD.items()]
    pairs.append(f"{spelling(name)}:{json.dumps(GOOD[name])}")
    with pytest.raises(InvalidInput, match="came twice") as refusal:
        READER.read(f'{{"features":{{{",".join(pairs)}}}}}'.encode())
    assert refusal.value.code == "duplicate_key"


def test_the_largest_request_is_within_the_limits_of_keys() -> None:
    names = [f"s{number}" for number in range(1, 13)]
    wide = Signature.from_dict(
        {"inputs": [{"name": name, "dtype": "float"} for name in names], "output": {"kind": "regression"}}
    )
    raw = msgspec.json.encode({"instances": [dict.fromkeys(names, 1)] * MAX_INSTANCES})
    assert MAX_INSTANCES * len(names) > strict_json.MAX_KEYS
    # An escape makes the same request go the slow way.
    for body in (raw, raw.replace(b'"s1"', b'"\\u00731"')):
        assert len(InstanceReader(wide).read(body)) == MAX_INSTANCES


def test_a_signature_is_compiled_once() -> None:
    assert reader(SIGNATURE) is reader(type(SIGNATURE).from_dict(SIGNATURE.to_dict()))
