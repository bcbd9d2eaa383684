"""NDJSON: which lines are rows, what refuses a line, and what refuses the file."""

import io
import json
from pathlib import Path

import pytest

from inference.engine.inputs import Input
from inference.engine.signature import Output, Signature
from jobs import files
from jobs.errors import BadFile, BadHeader, FileTooLarge, NoRows
from jobs.files import Header, Refusal
from jobs.files.pieces import BLOCK, MOST_ROW
from tests.jobs.files import tables
from tests.jobs.files.tables import HEADER, OUTPUT, ROW, SMALL

LINE = b'{"level":1.5,"count":2,"kind":"pump","serial":9,"id":"a:b"}\n'
TEXT = Signature((Input(name="n", dtype="string", nullable=True),), Output(kind="regression"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file lies."""
    return tmp_path / "input.ndjson"


def read(path: Path, data: bytes) -> list[object]:
    path.write_bytes(data)
    return tables.read(path, "ndjson", SMALL, ["id"])


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":null,"serial":9,"kind":"pump","count":2.0,"level":1.5}',
        b'{"serial":9,"kind":"pump","count":2,"level":15e-1}',
        b' {"level": 1.5, "count": 2, "kind": "pump", "serial": 9, "id": {"a": [1, ":"]}} \r',
        b'{"l\\u0065vel":1.5,"count":2,"kind":"p\\u0075mp","serial":9,"id":"\\""}',
        b'{"features":{"level":1.5,"count":2,"kind":"pump","serial":9},"id":"x:y"}',
        b'{"id":1,"features":[1.5,2,"pump",9]}',
        b'{"features":[1.5,2,"p\\u0075mp",9]}',
    ],
)
def test_a_line_may_be_written_in_several_ways(path: Path, line: bytes) -> None:
    assert read(path, line + b"\n") == [ROW]
    assert read(path, LINE + line + b"\n" + line) == [ROW] * 3


def test_empty_lines_and_a_byte_order_mark_are_no_part_of_the_rows(path: Path) -> None:
    assert read(path, b"\xef\xbb\xbf\n \r\n" + LINE + b"\n\t\n" + LINE.strip()) == [ROW, ROW]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"level":1.5,"level":1.5,"count":2,"kind":"pump","serial":9}', "duplicate_key"),
        (b'{"level":NaN,"count":2,"kind":"pump","serial":9}', "malformed_json"),
        (b'{"level":1e999,"count":2,"kind":"pump","serial":9}', "not_finite"),
        (b'{"level":"1.5","count":2,"kind":"pump","serial":9}', "wrong_type"),
        (b'{"level":131,"count":2,"kind":"pump","serial":9}', "out_of_range"),
        (b'{"level":1.5,"count":2,"kind":"pump"}', "missing_feature"),
        (b'{"level":1.5,"count":2,"kind":"pump","serial":9,"more":1}', "unknown_feature"),
        (b'{"features":[1.5,2,"pump",9],"more":1}', "unknown_field"),
        (b'{"features":[1.5,2,"pump"]}', "wrong_shape"),
        (b'{"features":7}', "wrong_shape"),
        (b'{"level":1.5,"count":2,"kind":"\xff","serial":9}', "invalid_encoding"),
        (b'{"level":1.5,"count":2,"kind":"pump","serial":9,"id":"\xff"}', "invalid_encoding"),
        (b'{"level":1.5,"count":2,"kind":"pump","serial":9,"id":' + b"[" * 20 + b"]" * 20 + b"}", "too_deep"),
        (b'{"level":1.5,"count":2,"kind":"pump","serial":9,"id":' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
        (b'{"level":1.5,"count":2,"kind":"pump","serial":9,"id":{"a":1,"a":2}}', "duplicate_key"),
        (b'{"level":1.5,"count":2,"kind":"pump","serial":' + b"9" * 401 + b"}", "number_too_long"),
        (LINE.strip() * 2, "malformed_json"),
        (b'{"level":1.5,', "malformed_json"),
        (b"[1.5,2,3,9]", "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
def test_one_bad_line_leaves_the_others_alone(path: Path, line: bytes, code: str) -> None:
    found = read(path, LINE + line + b"\n" + LINE)

    assert [found[0], found[2]] == [ROW, ROW]
    assert isinstance(found[1], Refusal)
    assert found[1].code == code
    assert found[1].detail


def test_a_line_too_deep_to_be_read_is_written_without_its_values() -> None:
    deep = b'{"level":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"

    assert files.cells(deep + LINE, "ndjson", HEADER) == [[None] * 5, [*ROW, "a:b"]]


def test_a_line_that_is_no_utf8_is_written_with_the_values_that_can_be_read() -> None:
    latin = b'{"level":1.5,"count":2,"kind":"gr\xfcn","serial":9,"id":"a:b"}\n'

    assert files.cells(latin + LINE, "ndjson", HEADER) == [[1.5, 2, "gr\ufffdn", 9, "a:b"], [*ROW, "a:b"]]


def test_two_halves_of_an_object_are_two_bad_lines(path: Path) -> None:
    found = read(path, LINE + LINE.replace(b',"kind', b'\n,"kind') + LINE)

    assert [getattr(one, "code", "ok") for one in found] == ["ok", "malformed_json", "malformed_json", "ok"]


def test_an_input_may_be_called_features(path: Path) -> None:
    signature = Signature((Input(name="features", dtype="float"),), Output(kind="regression"))
    path.write_bytes(b'{"features":1.5}\n{"features":{"features":1}}\n')

    found = tables.read(path, "ndjson", signature)

    assert found[0] == (1.5,)
    assert found[1].code == "wrong_type"


def test_a_text_with_nul_or_half_a_pair_is_refused(path: Path) -> None:
    path.write_bytes(b'{"n":"a"}\n{"n":"\\u0000"}\n{"n":"\\ud800"}\n{"n":"\\ud83d\\ude00"}\n')

    found = tables.read(path, "ndjson", TEXT)

    assert [getattr(one, "code", one) for one in found] == [("a",), "invalid_character", "invalid_character", ("😀",)]


@pytest.mark.parametrize("name", ['size "L"', "a\\b", "tab\t", "Größe: m", ""])
def test_a_carried_key_may_have_any_name(path: Path, name: str) -> None:
    named = LINE.replace(b'"id"', json.dumps(name).encode())
    path.write_bytes(LINE.replace(b',"id":"a:b"', b"") + named + LINE)

    found = tables.read(path, "ndjson", SMALL, [name])
    assert [getattr(one, "code", one) for one in found] == [ROW, ROW, "unknown_feature"]
    assert files.cells(named, "ndjson", Header((*SMALL.names, name))) == [[*ROW, "a:b"]]


def test_a_carried_key_is_no_input(path: Path) -> None:
    path.write_bytes(LINE)

    with pytest.raises(BadHeader, match="`level`"):
        files.inspect(path, "ndjson", SMALL, ["level"])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"level,count\n1,2\n", 1),
        (b"[" + LINE.strip() + b"]\n", 1),
        (b"\n\n{\n" + LINE, 3),
        (b"PAR1\x00", 1),
        (LINE * 3 + b"\x00" + LINE, 4),
        (LINE * 2 + b'{"id":"' + b"x" * MOST_ROW + b'"}\n', 3),
        (LINE * 2 + b'{"id":"' + b"x" * 3 * BLOCK, 3),
    ],
)
def test_what_is_no_ndjson_is_refused_with_its_line(path: Path, data: bytes, line: int) -> None:
    with pytest.raises(BadFile) as refused:
        read(path, data)

    assert refused.value.line == line


@pytest.mark.parametrize("data", [b"", b"\n \r\n\n"])
def test_a_file_without_lines_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(NoRows):
        files.inspect(path, "ndjson", SMALL)
    with pytest.raises(NoRows):
        list(files.split(io.BytesIO(data), "ndjson", HEADER, most_rows=9, most_bytes=99))


def test_a_million_lines_are_taken_and_not_one_more() -> None:
    data = b"{}\n" * 1_000_000

    pieces = files.split(io.BytesIO(data), "ndjson", HEADER, most_rows=10_000, most_bytes=1 << 20)
    assert sum(piece.rows for piece in pieces) == 1_000_000
    with pytest.raises(FileTooLarge):
        list(files.split(io.BytesIO(data + b"{}"), "ndjson", HEADER, most_rows=10_000, most_bytes=1 << 20))


def test_results_stand_beside_the_values_as_they_came() -> None:
    header = Header((*SMALL.names, "id", "status"))
    data = (
        b'{"id":{"a":[1,null]},"serial":9223372036854775808,"kind":"pump\\u0020","count":"2","level":0.1,"status":"x"}\n'
        b'{"features":[1.5,2,"pump",9],"id":7}\n'
        b"{broken\n"
    )
    writer = files.Writer("ndjson", header, OUTPUT, SMALL, "ndjson")
    results = [(None, "wrong_type", "No."), ('{"label":"ok","scores":{"ok":1.0,"worn":0.0}}', None, None), (None,) * 3]

    text = writer.head() + writer.rows(1, files.cells(data, "ndjson", header), results) + writer.end()

    first, second, third = (json.loads(line) for line in text.splitlines())
    assert first == {
        "level": 0.1,
        "count": "2",
        "kind": "pump ",
        "serial": 9223372036854775808,
        "id": {"a": [1, None]},
        "status": "x",
        "row": 1,
        "foretell_status": "error",
        "error": "wrong_type",
        "detail": "No.",
    }
    assert second["level"] == 1.5
    assert second["output"] == {"label": "ok", "scores": {"ok": 1.0, "worn": 0.0}}
    assert third["foretell_status"] == "open"
    assert third["level"] is None


def test_texts_of_a_csv_become_the_values_they_say() -> None:
    data = b"1.50,2,,x,0042\nnan,1e999,pump,9,\n"
    writer = files.Writer("ndjson", HEADER, OUTPUT, SMALL, "csv")

    text = writer.rows(1, files.cells(data, "csv", HEADER), [(None,) * 3] * 2)

    first, second = (json.loads(line) for line in text.splitlines())
    assert [first[name] for name in HEADER.columns] == [1.5, 2, None, "x", "0042"]
    assert [second[name] for name in HEADER.columns] == ["nan", "1e999", "pump", 9, ""]
