"""The error contract over REST for what a body says, row by row: numbers are those of docs/errors.md."""

import json

import httpx
import pytest

from tests.faults.stack import Stack
from tests.inference.api.refused import BODY, JSON, VALVE, changed, checked
from tests.inference.api.valve import GOOD

GOOD_TEXT = json.dumps(GOOD).encode()
BODIES = [
    ("B1", b"", 400, "empty_body", ""),
    ("B1 blanks", b" \n ", 400, "empty_body", ""),
    ("B2 text", b"hello", 400, "malformed_json", ""),
    ("B2 comma", b'{"features":[1,],}', 400, "malformed_json", ""),
    ("B2 cut", BODY[:-5], 400, "malformed_json", ""),
    ("B3", BODY + BODY, 400, "malformed_json", ""),
    ("B4 UTF-16", BODY.decode().encode("utf-16"), 400, "invalid_encoding", ""),
    ("B4 mark", b"\xef\xbb\xbf" + BODY, 400, "invalid_encoding", ""),
    ("B4 bytes", BODY.replace(b"a:b", b"\xff\xfe"), 400, "invalid_encoding", ""),
    ("B5", b"[" * 200_000, 400, "too_deep", ""),
    ("B5 closed", b'{"features":' + b"[" * 40 + b"]" * 40 + b"}", 400, "too_deep", ""),
    ("B6 list", b"[1]", 422, "not_an_object", ""),
    ("B6 text", b'"features"', 422, "not_an_object", ""),
    ("B6 number", b"5", 422, "not_an_object", ""),
    ("B6 null", b"null", 422, "not_an_object", ""),
    ("B7", BODY.replace(b'"temp": 20.5', b'"temp": 20.5, "temp": 20.5'), 400, "duplicate_key", ""),
    ("B7 top", b'{"features":' + GOOD_TEXT + b',"features":' + GOOD_TEXT + b"}", 400, "duplicate_key", ""),
    ("B7 escaped", BODY.replace(b'"temp": 20.5', b'"temp": 20.5, "t\\u0065mp": 1'), 400, "duplicate_key", ""),
    ("B8", BODY.replace(b'{"features"', b'{"model":1, "features"'), 422, "unknown_field", "/model"),
    ("B8 both", b'{"features":[],"instances":[]}', 422, "unknown_field", "/features"),
    ("B23", changed().replace(b'"temp": 20.5, ', b""), 422, "missing_feature", "/features/temp"),
    ("B23 nothing", b"{}", 422, "missing_feature", "/features"),
    ("B24", changed(speed=1), 422, "unknown_feature", "/features/speed"),
    ("B24 pointer", changed(**{"a/b~c": 1}), 422, "unknown_feature", "/features/a~1b~0c"),
    ("B25", b'{"features":[1,2,3]}', 422, "wrong_shape", "/features"),
    ("B26 ragged", b'{"instances":[' + GOOD_TEXT + b",[1,2]]}", 422, "wrong_shape", "/instances/1"),
    ("B26 scalar", b'{"instances":[' + GOOD_TEXT + b",5]}", 422, "wrong_shape", "/instances/1"),
    ("B26 deep", b'{"instances":[[[1,2],[3,4],[5],[6],[7],[8],[9]]]}', 422, "wrong_type", "/instances/0/0"),
    ("B26 no list", b'{"instances":5}', 422, "wrong_shape", "/instances"),
    ("B26 null", b'{"features":null}', 422, "wrong_shape", "/features"),
    ("B27", b'{"instances":[]}', 422, "no_rows", "/instances"),
    ("B28", b'{"instances":[' + b",".join([GOOD_TEXT] * 257) + b"]}", 413, "too_many_rows", "/instances"),
    ("B29", changed(temp="12"), 422, "wrong_type", "/features/temp"),
    ("B30", changed(temp=True), 422, "wrong_type", "/features/temp"),
    ("B30 integer", changed(count=False), 422, "wrong_type", "/features/count"),
    ("B29 fraction", changed(count=1.5), 422, "wrong_type", "/features/count"),
    ("B29 number", changed(site=3), 422, "wrong_type", "/features/site"),
    ("B31", changed(temp=None), 422, "null_not_allowed", "/features/temp"),
    ("B32 NaN", changed(temp=float("nan")), 400, "malformed_json", ""),
    ("B32 Infinity", changed(temp=float("inf")), 400, "malformed_json", ""),
    ("B33", BODY.replace(b"20.5", b"1e999"), 422, "not_finite", "/features/temp"),
    ("B34", changed(mass=1e39), 422, "out_of_range", "/features/mass"),
    ("B35", changed(temp=126), 422, "out_of_range", "/features/temp"),
    ("B35 int64", changed(serial=2**63), 422, "out_of_range", "/features/serial"),
    ("B36", BODY.replace(b"20.5", b"1" * 5000), 400, "number_too_long", ""),
    ("B37", changed(site="west"), 422, "unknown_category", "/features/site"),
    ("B38", changed(note="x" * 257), 422, "string_too_long", "/features/note"),
    ("B39", changed(note="a\x00b"), 422, "invalid_character", "/features/note"),
    ("B40", BODY.replace(b"a:b", b"\\ud800"), 422, "invalid_character", "/features/note"),
    ("B40 name", changed(**{"\ud800": 1}), 422, "unknown_feature", None),
]


@pytest.mark.parametrize(("body", "status", "code", "pointer"), [row[1:] for row in BODIES], ids=[r[0] for r in BODIES])
def test_a_body_that_cannot_be_used_gets_its_code(
    client: httpx.Client, stack: Stack, body: bytes, status: int, code: str, pointer: str | None
) -> None:
    problem = checked(client.post(VALVE, content=body, headers=JSON), status, code)
    first = problem["errors"][0]
    assert first["code"] == code
    if pointer is not None:
        assert first["pointer"] == pointer
    assert stack.sql("SELECT 1 FROM inference_prediction WHERE request_id = %s", (problem["request_id"],)) == []
    assert client.post(VALVE, content=BODY, headers=JSON).status_code == 200


def test_malformed_json_names_line_and_column(client: httpx.Client) -> None:
    problem = checked(client.post(VALVE, content=b'{\n "features": oops}', headers=JSON), 400, "malformed_json")
    assert "2:14" in problem["detail"]


def test_every_bad_field_is_named(client: httpx.Client) -> None:
    bad = {**GOOD, "temp": "hot", "site": "west", "speed": 1}
    del bad["mass"]
    in_order = [*list(GOOD.values())[:-1], 5]
    problem = checked(client.post(VALVE, json={"instances": [GOOD, bad, in_order]}), 422, "unknown_feature")
    assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [
        ("/instances/1/speed", "unknown_feature"),
        ("/instances/1/temp", "wrong_type"),
        ("/instances/1/mass", "missing_feature"),
        ("/instances/1/site", "unknown_category"),
        ("/instances/2/6", "wrong_type"),
    ]


def test_a_flood_of_bad_fields_is_answered_in_bounds(client: httpx.Client) -> None:
    answer = client.post(VALVE, json={"instances": [{f"x{n}": 1 for n in range(300)}] * 256})
    problem = answer.json()
    assert answer.status_code in (400, 422)
    assert len(problem.get("errors", [])) <= 1000
