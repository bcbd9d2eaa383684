"""CSV: what a file's rows are, what refuses a row, and what refuses the file."""

import io
import math
from pathlib import Path

import pytest

from inference.engine.inputs import Input
from inference.engine.signature import Output, Signature
from jobs import files
from jobs.errors import BadFile, BadHeader, FileTooLarge, NoRows
from jobs.files import Header, Refusal
from jobs.files.pieces import BLOCK, MOST_CELL
from tests.jobs.files import tables
from tests.jobs.files.tables import HEADER, OUTPUT, ROW, SMALL

HEAD = b"level,count,kind,serial,id\n"
LINE = b"1.5,2,pump,9,a\n"
NUMBER = Signature((Input(name="n", dtype="float", nullable=True),), Output(kind="regression"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file lies."""
    return tmp_path / "input.csv"


def read(path: Path, data: bytes) -> list[object]:
    path.write_bytes(data)
    return tables.read(path, "csv", SMALL, ["id"])


def number(path: Path, cell: str) -> object:
    path.write_bytes(b"n,id\n" + cell.encode() + b",\n")
    (found,) = tables.read(path, "csv", NUMBER, ["id"])
    return found.code if isinstance(found, Refusal) else found[0]


def test_columns_may_come_in_any_order_between_carried_ones(path: Path) -> None:
    path.write_bytes(b"id,serial,kind,note,count,level\n1,9,pump,x,2,1.5\n")

    assert tables.read(path, "csv", SMALL, ["note", "id"]) == [ROW]


def test_a_byte_order_mark_crlf_and_empty_lines_are_no_part_of_the_rows(path: Path) -> None:
    data = b"\xef\xbb\xbf\r\n" + HEAD.replace(b"\n", b"\r\n") + b"\r\n" + LINE.replace(b"\n", b"\r\n") + b"\n\n" + LINE

    assert read(path, data) == [ROW, ROW]


def test_the_last_line_needs_no_end(path: Path) -> None:
    assert read(path, HEAD + LINE + LINE.strip()) == [ROW, ROW]


def test_a_quoted_cell_may_hold_commas_quotes_and_lines(path: Path) -> None:
    cell = b'"a,""b""\r\n\n c"'
    path.write_bytes(HEAD + LINE.replace(b"a", cell) + LINE)
    header = files.inspect(path, "csv", SMALL, ["id"])

    assert tables.read(path, "csv", SMALL, ["id"], most_rows=1) == [ROW, ROW]
    assert files.cells(path.read_bytes()[len(HEAD) :], "csv", header)[0][4] == 'a,"b"\r\n\n c'


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12.0),
        ("-0.5e3", -500.0),
        (" 12 ", 12.0),
        ("+3", 3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("", None),
        ("0.1000000000000000055511151231257827", 0.1),
        ("nan", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e999", "out_of_range"),
        ("1_000", "wrong_type"),
        ("0x1F", "wrong_type"),
        ("1,5".replace(",", "."), 1.5),
        ("١٢", "wrong_type"),
        (" ", "wrong_type"),
        ("NA", "wrong_type"),
        ("null", "wrong_type"),
        ("true", "wrong_type"),
    ],
)
def test_a_cell_is_a_number_or_refused(path: Path, cell: str, value: object) -> None:
    found = number(path, cell)

    assert found == (value if value != "out_of_range" else "not_finite")
    assert not isinstance(found, float) or math.isfinite(found)


def test_one_bad_row_leaves_the_others_alone(path: Path) -> None:
    data = HEAD + LINE * 600 + b"x,2,pump,9,a\n" + b"1.5,2,pump\n" + b"1,2,\xff,9,\n" + b'"1"2,,,9,\n' + LINE * 600

    found = read(path, data)

    assert found[:600] == found[604:] == [ROW] * 600
    refused = [one for one in found if isinstance(one, Refusal)]
    assert [one.code for one in refused] == ["wrong_type", "wrong_shape", "invalid_encoding", "wrong_shape"]
    assert refused[0].detail == "`level` expects float from 0 to 130; got the text x."
    assert "5" in refused[1].detail
    assert "3" in refused[1].detail


@pytest.mark.parametrize("line", [b"1.5,2\r,pump,9,a\n", LINE.strip() + b"\r" + LINE])
def test_a_lone_carriage_return_refuses_its_row_only(path: Path, line: bytes) -> None:
    found = read(path, HEAD + LINE + line + LINE)

    assert [getattr(one, "code", one) for one in found] == [ROW, "wrong_shape", ROW]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (b"level,count,kind,id", ["`serial`"]),
        (b"level,count,kind,serial,serial,id", ["`serial` more than once"]),
        (b"level,count,kind,serial,id,extra", ["`extra`", "`carry`"]),
        (b"level;count;kind;serial;id", ["`level;count;kind;serial;id`", "commas, not by ';'"]),
        (b"level\tcount\tkind\tserial\tid", ["commas, not by '\\t'"]),
        (b"level,count,kind,serial,", ["column without a name", "`id`"]),
    ],
)
def test_a_header_with_other_columns_is_refused_by_name(path: Path, header: bytes, named: list[str]) -> None:
    path.write_bytes(header + b"\n" + LINE)

    with pytest.raises(BadHeader) as refused:
        files.inspect(path, "csv", SMALL, ["id"])

    assert all(one in str(refused.value) for one in named)


@pytest.mark.parametrize("carried", [["level"], ["id", "id"]])
def test_carried_columns_are_other_columns_than_the_inputs(path: Path, carried: list[str]) -> None:
    path.write_bytes(HEAD + LINE)

    with pytest.raises(BadHeader, match="carry"):
        files.inspect(path, "csv", SMALL, carried)


@pytest.mark.parametrize("data", [b"", b"\n\n", HEAD, HEAD.strip(), HEAD + b"\r\n\n"])
def test_a_file_without_rows_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(NoRows):
        files.inspect(path, "csv", SMALL, ["id"])
    with pytest.raises(NoRows):
        list(files.split(io.BytesIO(data), "csv", HEADER, most_rows=9, most_bytes=99))


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (HEAD + LINE * 3 + b'1.5,2,pump,9,"a\n' + LINE * 3, 5),
        (HEAD + LINE * 40_000 + b"1,2,\x00,9,\n" + LINE, 40_002),
        (HEAD + LINE * 2 + b"1,2,pump,9," + b"x" * (MOST_CELL + 1) + b"\n" + LINE, 4),
        (HEAD + LINE * 2 + b'1,2,pump,9,"' + b"x\n" * MOST_CELL + b'"\n' + LINE, 4),
        (HEAD + LINE + b"9," * BLOCK, 3),
        (b"c," * 100_000 + b"c\n" + LINE, 1),
        (b"\xff\xfel\x00e\x00", 1),
        (b"PK\x03\x04....", 1),
        (b"\x1f\x8b....", 1),
        (b"PAR1....", 1),
        (b"le\xffel\n" + LINE, 1),
        (b'"level"x,count\n' + LINE, 1),
        (bytes(range(128, 256)) * 20, 1),
    ],
)
def test_what_is_no_csv_is_refused_with_its_line(path: Path, data: bytes, line: int) -> None:
    path.write_bytes(data)

    with pytest.raises(BadFile) as refused:
        tables.read(path, "csv", SMALL, ["id"])

    assert refused.value.line == line
    assert str(refused.value).startswith(f"Line {line:,}: ")


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        ((HEAD + LINE).replace(b"\n", b"\r"), "CR stands alone: end lines with LF or CRLF"),
        (b"le\xffel\n" + LINE, "Save the file as UTF-8"),
    ],
)
def test_what_another_program_should_have_written_is_said(path: Path, data: bytes, advice: str) -> None:
    path.write_bytes(data)

    with pytest.raises(BadFile, match=advice):
        files.inspect(path, "csv", SMALL, ["id"])


def test_a_row_with_a_lone_carriage_return_is_told_so(path: Path) -> None:
    path.write_bytes(HEAD + b"1.5,2,pu\rmp,9,\n" + LINE)

    refused, _ = tables.read(path, "csv", SMALL, ["id"])
    assert isinstance(refused, Refusal)
    assert refused.detail.endswith("a CR stands alone: end lines with LF or CRLF.")


def test_pieces_keep_to_rows_and_bytes_and_a_large_row_is_one_of_its_own() -> None:
    large = b"1.5,2,pump,9," + b"y" * 500 + b"\n"
    data = HEAD + LINE * 5 + large + LINE * 30

    pieces = list(files.split(io.BytesIO(data), "csv", HEADER, most_rows=12, most_bytes=100))

    assert [piece.rows for piece in pieces] == [5, 1, 6, 6, 6, 6, 6]
    assert [piece.first_row for piece in pieces] == [1, 6, 7, 13, 19, 25, 31]
    assert b"".join(piece.data for piece in pieces) == data.removeprefix(HEAD)
    assert [piece.rows for piece in files.split(io.BytesIO(data), "csv", HEADER, most_rows=12, most_bytes=1 << 20)] == [
        12,
        12,
        12,
    ]


def test_rows_are_cut_the_same_wherever_blocks_end(path: Path) -> None:
    """A quoted cell, and CRLF, at every place around the end of a block."""
    line = b'1.5,2,pump,9,"a\r\n,""b"\r\n'
    for shift in range(len(line) + 2):
        filler = b"1.5,2,pump,9," + b"z" * 100_000 + b"\n"
        lead = filler * 10
        lead += b"1.5,2,pump,9," + b"z" * (BLOCK - len(HEAD) - len(lead) - 14 - shift) + b"\n"
        assert len(HEAD + lead) == BLOCK - shift
        assert read(path, HEAD + lead + line * 3) == [ROW] * 14


def test_a_million_rows_are_taken_and_not_one_more() -> None:
    data = b"n\n" + b"1\n" * 1_000_000
    header = Header(("n",))

    assert sum(p.rows for p in files.split(io.BytesIO(data), "csv", header, most_rows=10_000, most_bytes=9999)) == 10**6
    with pytest.raises(FileTooLarge, match="1,000,000 rows"):
        list(files.split(io.BytesIO(data + b"1\n"), "csv", header, most_rows=10_000, most_bytes=9999))


def test_results_stand_beside_the_cells_as_they_came() -> None:
    data = '1.50, 2,pump,9,"ä,""\r\n="\n1,2\n,,,,=1+1\n'.encode()
    writer = files.Writer("csv", HEADER, OUTPUT, SMALL)
    results = [
        ('{"label":"worn","scores":{"ok":0.25,"worn":0.7500000}}', None, None),
        (None, "wrong_shape", "Expected 5."),
        (None, None, None),
    ]

    text = writer.head() + writer.rows(7, files.cells(data, "csv", HEADER), results) + writer.end()

    assert text.decode() == (
        "level,count,kind,serial,id,row,status,label,score_ok,score_worn,error,detail\r\n"
        '1.50, 2,pump,9,"ä,""\r\n=",7,ok,worn,0.25,0.7500000,,\r\n'
        "1,2,,,,8,error,,,,wrong_shape,Expected 5.\r\n"
        ",,,,=1+1,9,open,,,,,\r\n"
    )


@pytest.mark.parametrize(
    ("output", "answer", "columns"),
    [
        (Output(kind="regression"), '{"value":-1.5e-07}', {"value": "-1.5e-07"}),
        (Output(kind="anomaly"), '{"score": 0.5, "label": "anomaly"}', {"score": "0.5", "label": "anomaly"}),
    ],
)
def test_each_kind_of_output_has_its_columns(output: Output, answer: str, columns: dict[str, str]) -> None:
    header = Header(("row", "foretell_row", "status"))
    writer = files.Writer("csv", header, output, NUMBER)

    names, cells, _ = (writer.head() + writer.rows(1, [["a", "b", "c"]], [(answer, None, None)])).decode().split("\r\n")

    assert dict(zip(names.split(","), cells.split(","), strict=True)) == {
        "row": "a",
        "foretell_row": "b",
        "status": "c",
        "foretell_foretell_row": "1",
        "foretell_status": "ok",
        **columns,
        "error": "",
        "detail": "",
    }
