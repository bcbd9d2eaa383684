"""A signature decodes fast, explains slowly, and both agree."""

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from inference.engine.errors import InvalidInput, InvalidSignature
from inference.engine.inputs import FLOAT32_MAX, MAX_STRING, Input
from inference.engine.signature import Output, Row, Signature
from tests.inference.engine.signatures import MIXED, NUMERIC, inputs, signatures, values

GOOD = {"level": 50, "count": None, "kind": "pump", "serial": 2**60 + 1, "note": "a: b", "site": "new", "heat": 1.5}


def fast(signature: Signature, features: object) -> Row | None:
    """The row by the fast path, or None where it refuses."""
    try:
        return signature.decoded_row(msgspec.json.decode(msgspec.json.encode(features), type=signature.features_type))
    except (msgspec.DecodeError, InvalidInput):
        return None


def slow(signature: Signature, features: object) -> Row | None:
    """The row by the slow path, or None where it refuses."""
    try:
        return signature.row(features)
    except InvalidInput:
        return None


@given(st.data())
def test_what_the_fast_path_accepts_the_slow_one_reads_alike(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    by_name = {one.name: data.draw(values(one)) for one in signature.inputs}
    for features in (by_name, list(by_name.values())):
        if (row := fast(signature, features)) is not None:
            assert row == slow(signature, features)


@given(st.data())
def test_what_the_slow_path_accepts_differs_from_the_fast_one_in_whole_floats_only(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    by_name = {one.name: data.draw(values(one)) for one in signature.inputs}
    row = slow(signature, by_name)
    if row is not None and fast(signature, by_name) is None:
        assert any(isinstance(by_name[one.name], float) and one.dtype in ("int", "int64") for one in signature.inputs)


@given(st.data())
def test_the_schema_accepts_what_the_signature_reads(data: st.DataObject) -> None:
    one = data.draw(inputs("a"))
    low, high = one.refused_beyond
    beyond = [low - abs(low) - 1, high + abs(high) + 1, "of no category", "x" * (MAX_STRING + 1), None]
    signature = Signature((one,), Output(kind="regression"))
    schema = Draft202012Validator(json.loads(json.dumps(signature.json_schema())))
    for value in (data.draw(values(one)), *beyond):
        sent = json.loads(json.dumps({"a": value}))
        assert schema.is_valid(sent) == (slow(signature, sent) is not None)


@given(st.data())
def test_a_signature_survives_its_dictionary(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    again = Signature.from_dict(msgspec.json.decode(msgspec.json.encode(signature.to_dict())))
    assert again == signature
    assert again.digest == signature.digest


def test_whole_numbers_digest_alike_however_they_are_written() -> None:
    def signature(low: float) -> Signature:
        return Signature((Input(name="a", dtype="float", min=low),), Output(kind="regression"))

    assert signature(0).digest == signature(0.0).digest != signature(0.5).digest


def test_every_bad_field_is_named() -> None:
    features = {
        "level": -1,
        "count": 1.5,
        "kind": "gate",
        "note": "\ud800",
        "site": "x" * 300,
        "heat": math.inf,
        "z": 1,
    }
    with pytest.raises(InvalidInput) as refused:
        MIXED.row(features, ("instances", 3))
    assert {problem.path[-1]: problem.code for problem in refused.value.problems} == {
        "z": "unknown_feature",
        "level": "out_of_range",
        "count": "wrong_type",
        "kind": "unknown_category",
        "serial": "missing_feature",
        "note": "invalid_character",
        "site": "string_too_long",
        "heat": "not_finite",
    }
    assert all(problem.path[:2] == ("instances", 3) for problem in refused.value.problems)


def test_the_sentence_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(InvalidInput, match="`level` expects float from 0 to 130 mm; got 131"):
        MIXED.row(GOOD | {"level": 131})


@pytest.mark.parametrize(
    ("name", "value", "came"),
    [
        ("level", "12", "the text 12"),
        ("level", "", "an empty text"),
        ("level", True, "true"),
        ("serial", "7", "the text 7"),
        ("serial", 7.5, "7.5"),
        ("kind", 3, "the number 3"),
    ],
)
def test_a_text_and_a_number_that_look_alike_are_told_apart(name: str, value: object, came: str) -> None:
    with pytest.raises(InvalidInput, match=f"; got {came}.$"):
        MIXED.row(GOOD | {name: value})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("12", "wrong_type"),
        (True, "wrong_type"),
        (None, "null_not_allowed"),
        (math.inf, "not_finite"),
        (math.nan, "not_finite"),
        (1e39, "out_of_range"),
        (-(10**400), "out_of_range"),
        ([1], "wrong_type"),
    ],
)
def test_a_number_that_is_none_has_its_code(value: object, code: str) -> None:
    assert fast(NUMERIC, [value, 1, 2]) is None if not isinstance(value, int) or abs(value) < 2**64 else True
    with pytest.raises(InvalidInput) as refused:
        NUMERIC.row([value, 1, 2])
    assert refused.value.code == code


@pytest.mark.parametrize("features", [[1, 2], [1, 2, 3, 4], 5, "s", None])
def test_another_shape_is_refused(features: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        NUMERIC.row(features)
    assert refused.value.code == "wrong_shape"


def test_columns_round_numbers_to_float32_and_keep_the_rest() -> None:
    rows = [MIXED.row(GOOD), MIXED.row(GOOD | {"count": 7, "kind": None, "heat": None, "level": 0.1})]
    columns = MIXED.columns(rows)
    assert columns.n == 2
    assert columns.matrix.dtype == np.float32
    assert columns.matrix[1, 0] == np.float32(0.1)
    assert np.isnan(columns.matrix[0, 1])
    assert np.isnan(columns.matrix[1, 2])
    assert columns.integers["serial"].tolist() == [[2**60 + 1]] * 2
    assert columns.strings["kind"].tolist() == [["pump"], [""]]


def test_missing_numbers_become_nan_in_an_all_numeric_matrix() -> None:
    signature = Signature((Input(name="a", dtype="float", nullable=True),), Output(kind="regression"))
    assert np.isnan(signature.columns([signature.row([None])]).matrix).all()


def test_a_lenient_range_warns() -> None:
    row = MIXED.row(GOOD | {"heat": 9})
    assert MIXED.warnings(row) == ("out_of_range:heat",)
    assert MIXED.warnings(MIXED.row(GOOD)) == ()


def test_the_largest_float32_is_in_range_and_the_next_float64_is_not() -> None:
    assert NUMERIC.row([FLOAT32_MAX, 1, 2])[0] == FLOAT32_MAX
    with pytest.raises(InvalidInput):
        NUMERIC.row([math.nextafter(FLOAT32_MAX, math.inf), 1, 2])


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"name": "a", "dtype": "flot"}, "`dtype` is one of float, int, int64, string; it is 'flot'"),
        ({"name": "a", "dtype": "string", "unknown": "ignore"}, "`unknown` is one of refuse, pass; it is 'ignore'"),
        ({"name": "a", "dtype": "float", "minimum": 1}, "minimum"),
        ({"name": "a b", "dtype": "float"}, "a b"),
        ({"name": "a", "dtype": "int", "max": 2**25}, "within"),
        ({"name": "a", "dtype": "float", "min": 2, "max": 1}, "within"),
        ({"name": "a", "dtype": "string", "min": 2}, "categories"),
        ({"name": "a", "dtype": "float", "categories": ["x"]}, "only a string"),
        ({"name": "a", "dtype": "string", "categories": ["x", ""]}, "missing one"),
        ({"name": "a", "dtype": "int64", "nullable": True}, "missing"),
        ({"dtype": "float"}, "name"),
    ],
)
def test_a_signature_that_contradicts_itself_is_refused(said: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidSignature, match=sentence):
        Signature.from_dict({"inputs": [said], "output": {"kind": "regression"}})


def test_labels_must_be_two_or_more() -> None:
    with pytest.raises(InvalidSignature, match="labels"):
        Signature.from_dict({"inputs": [{"name": "a", "dtype": "float"}], "output": {"kind": "classification"}})


def test_the_schema_says_ranges_and_categories() -> None:
    schema = MIXED.json_schema()
    assert schema["properties"]["level"] == {"type": "number", "minimum": 0, "maximum": 130, "description": "[mm]"}
    assert schema["properties"]["kind"]["enum"] == ["pump", "valve", None]
    assert schema["required"] == list(MIXED.names)
