"""Parquet: which columns fit, what refuses a row, and what refuses the file."""

import datetime
import decimal
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import files
from jobs.errors import BadFile, BadHeader, FileTooLarge, NoRows
from jobs.files import Refusal, parquet
from jobs.files.pieces import MOST_CELL
from tests.jobs.files import tables
from tests.jobs.files.tables import HEADER, OUTPUT, ROW, SMALL

COLUMNS = {
    "level": pa.array([1.5] * 3),
    "count": pa.array([2] * 3),
    "kind": pa.array(["pump"] * 3),
    "serial": pa.array([9] * 3),
    "id": pa.array(["a", None, "c"]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file lies."""
    return tmp_path / "input.parquet"


def write(path: Path, change: dict[str, Any] | None = None, **options: Any) -> None:
    pq.write_table(pa.table(COLUMNS | (change or {})), path, **options)


def read(path: Path) -> list[object]:
    return tables.read(path, "parquet", SMALL, ["id"])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"level": pa.array([1.5] * 3, pa.float32()), "count": pa.array([2.0] * 3, pa.float16())},
        {"count": pa.array([2] * 3, pa.uint8()), "serial": pa.array([9] * 3, pa.uint64())},
        {"kind": pa.array(["pump"] * 3, pa.large_string())},
        {"kind": pa.array(["pump"] * 3).dictionary_encode()},
        {"kind": pa.array(["pump"] * 3, pa.string_view()), "serial": pa.array([9.0] * 3)},
        {"kind": pa.array(["pump"] * 3, pa.large_string()).dictionary_encode()},
    ],
)
def test_numbers_and_texts_may_be_stored_in_several_ways(path: Path, change: dict[str, Any]) -> None:
    write(path, change)

    assert repr(read(path)) == repr([ROW] * 3)


def test_a_column_may_hold_nothing_but_missing_values(path: Path) -> None:
    write(path, {"count": pa.nulls(3), "kind": pa.array([None, "pump", None]), "level": pa.nulls(3)})

    found = read(path)

    assert [one.code for one in found] == ["null_not_allowed"] * 3
    write(path, {"count": pa.nulls(3), "kind": pa.nulls(3, pa.string())})
    assert read(path) == [(1.5, None, None, 9)] * 3


def test_one_bad_row_leaves_the_others_alone(path: Path) -> None:
    write(path, {"level": pa.array([1.5, float("nan"), 131.0]), "count": pa.array([2.0, 2.0, 2.5])})

    found = read(path)

    assert [getattr(one, "code", one) for one in found] == [ROW, "not_finite", "out_of_range"]
    assert isinstance(found[2], Refusal)
    assert found[2].detail.endswith("got 131.0. `count` expects int or null; got 2.5.")


def test_a_text_that_is_no_utf8_refuses_its_row(path: Path) -> None:
    raw = pa.array([b"pump", b"\xff", b"pump"]).view(pa.string())
    write(path, {"kind": raw, "id": raw})

    found = read(path)

    assert [getattr(one, "code", one) for one in found] == [ROW, "invalid_encoding", ROW]
    with path.open("rb") as source:
        (piece,) = files.split(source, "parquet", HEADER, most_rows=9, most_bytes=9999)
    assert [row[4] for row in files.cells(piece.data, "parquet", HEADER)] == ["pump", "\ufffd", "pump"]


def test_a_free_text_that_is_no_utf8_refuses_its_row(path: Path) -> None:
    pq.write_table(pa.table({"note": pa.array([b"a", b"\xff\xfe"]).view(pa.string())}), path)

    found = tables.read(path, "parquet", tables.NOTE)

    assert [getattr(one, "code", one) for one in found] == [("a",), "invalid_encoding"]


def test_a_text_with_nul_refuses_its_row(path: Path) -> None:
    signature = tables.NOTE
    pq.write_table(pa.table({"note": ["a", "b\x00", "c"]}), path)

    found = tables.read(path, "parquet", signature)

    assert [getattr(one, "code", one) for one in found] == [("a",), "invalid_character", ("c",)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"level": pa.array(["1.5"] * 3)}, "`level` holds string; expected float from 0 to 130"),
        ({"level": pa.array([[1.5]] * 3)}, "`level` holds list"),
        ({"level": pa.array([True] * 3)}, "`level` holds bool"),
        ({"kind": pa.array([1] * 3)}, "`kind` holds int64"),
        ({"kind": pa.array([b"pump"] * 3)}, "`kind` holds binary"),
        ({"serial": pa.array([{"a": 1}] * 3)}, "`serial` holds struct"),
        ({"id": pa.array([{"a": 1}] * 3)}, "`id` holds struct"),
        ({"level": pa.array([datetime.date(2026, 1, 1)] * 3)}, "`level` holds date32"),
        ({"extra": pa.array([1] * 3)}, "`extra`"),
    ],
)
def test_a_column_that_fits_no_input_is_refused_by_name(path: Path, change: dict[str, Any], named: str) -> None:
    write(path, change)

    with pytest.raises(BadHeader) as refused:
        files.inspect(path, "parquet", SMALL, ["id"])

    assert named in str(refused.value)


def test_a_missing_column_and_one_that_comes_twice_are_refused(path: Path) -> None:
    names = ["level", "count", "kind", "kind", "id"]
    pq.write_table(pa.table([pa.array([1])] * 5, names=names), path)

    with pytest.raises(BadHeader, match=r"`serial`.*`kind` more than once"):
        files.inspect(path, "parquet", SMALL, ["id"])


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -9])
def test_a_file_that_is_no_parquet_or_not_whole_is_refused(path: Path, cut: int) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(BadFile, match="no Parquet file, or is not whole"):
        files.inspect(path, "parquet", SMALL, ["id"])


def test_a_file_with_other_bytes_than_were_written_is_refused(path: Path) -> None:
    write(path, {"id": pa.array(["abcdefgh"] * 3)}, use_dictionary=False, write_page_checksum=True, compression="none")
    held = b"\x08\x00\x00\x00abcdefgh"
    assert held in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(held, held[:-1] + b"X"))

    with pytest.raises(BadFile):
        read(path)


def test_a_file_without_rows_is_refused(path: Path) -> None:
    pq.write_table(pa.table(COLUMNS).slice(0, 0), path)

    with pytest.raises(NoRows):
        files.inspect(path, "parquet", SMALL, ["id"])


def test_more_rows_or_columns_than_are_taken_are_refused_from_the_footer(path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([1] * 1_000_001, pa.int8())}), path)
    with pytest.raises(FileTooLarge, match="1,000,000 rows"):
        files.inspect(path, "parquet", SMALL)

    pq.write_table(pa.table({f"n{number}": [1] for number in range(5000)}), path)
    with pytest.raises(BadFile, match="5,000 columns"):
        files.inspect(path, "parquet", SMALL)


def test_what_unpacks_to_too_much_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path)
    monkeypatch.setattr(parquet, "MOST_UNPACKED", 50)

    with pytest.raises(FileTooLarge, match="unpacked"):
        files.inspect(path, "parquet", SMALL, ["id"])


def test_a_long_text_that_comes_often_is_refused_while_it_is_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, {"id": pa.array(["x" * 100_000] * 3)})
    assert path.stat().st_size < 200_000
    monkeypatch.setattr(parquet, "MOST_UNPACKED", 250_000)

    with path.open("rb") as source, pytest.raises(FileTooLarge, match="unpacked"):
        list(files.split(source, "parquet", HEADER, most_rows=1, most_bytes=9999))


def test_a_footer_without_end_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, row_group_size=1)
    monkeypatch.setattr(parquet, "MOST_FOOTER", 1000)

    with pytest.raises(BadFile, match="at most 1,000"):
        files.inspect(path, "parquet", SMALL, ["id"])


def test_a_long_text_is_refused_before_it_is_unpacked(path: Path) -> None:
    write(path, {"id": pa.DictionaryArray.from_arrays([0] * 3, ["x" * (MOST_CELL + 1)])})

    with pytest.raises(BadFile, match="131,072"):
        read(path)


def test_pieces_span_row_groups_and_keep_to_rows_and_bytes(path: Path) -> None:
    numbers = list(range(5000))
    text = ["x" * 1000] * 5000
    table = pa.table({"level": pa.array([1.5] * 5000), "count": [2] * 5000, "kind": ["pump"] * 5000, "serial": numbers})
    pq.write_table(table.append_column("id", pa.array(text)), path, row_group_size=7)

    with path.open("rb") as source:
        pieces = list(files.split(source, "parquet", HEADER, most_rows=2000, most_bytes=1 << 20))

    assert sum(piece.rows for piece in pieces) == 5000
    assert max(len(piece.data) for piece in pieces) < 1.1 * (1 << 20)
    assert min(piece.rows for piece in pieces[:-1]) > 400
    rows = [row for piece in pieces for row in files.rows(piece.data, "parquet", HEADER, SMALL)]
    assert [row[3] for row in rows] == numbers
    assert [piece.first_row for piece in pieces][:2] == [1, pieces[0].rows + 1]


def test_a_source_that_can_only_be_read_forwards_is_read(path: Path) -> None:
    class Forwards(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *arguments: Any) -> int:
            raise AssertionError("nobody may go back")

    write(path)

    (piece,) = files.split(Forwards(path.read_bytes()), "parquet", HEADER, most_rows=9, most_bytes=9999)

    assert files.rows(piece.data, "parquet", HEADER, SMALL) == [ROW] * 3


def test_carried_columns_may_hold_whatever_can_be_written_as_text(path: Path) -> None:
    columns = {
        "whole": pa.array([2**62]),
        "fraction": pa.array([decimal.Decimal("1.10")]),
        "day": pa.array([datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)]),
        "yes": pa.array([True]),
    }
    pq.write_table(pa.table({"note": ["a"], **columns}), path)
    header = files.inspect(path, "parquet", tables.NOTE, list(columns))
    with path.open("rb") as source:
        (piece,) = files.split(source, "parquet", header, most_rows=9, most_bytes=9999)
    cells = files.cells(piece.data, "parquet", header)

    for format in files.FORMATS:
        writer = files.Writer(format, header, OUTPUT, tables.NOTE, "parquet")
        text = writer.head() + writer.rows(1, cells, [(None, None, None)]) + writer.end()
        if format == "csv":
            assert b"a,4611686018427387904,1.10,2026-01-02 03:00:00+00:00,true,1,open" in text
        elif format == "ndjson":
            assert b'"whole":4611686018427387904,"fraction":"1.10","day":"2026-01-02T03:00:00Z","yes":true' in text
        else:
            assert pq.read_table(io.BytesIO(text)).to_pylist()[0] | {"row": 1} == {
                "note": "a",
                "whole": "4611686018427387904",
                "fraction": "1.10",
                "day": "2026-01-02 03:00:00+00:00",
                "yes": "true",
                "row": 1,
                "status": "open",
                "label": None,
                "score_ok": None,
                "score_worn": None,
                "error": None,
                "detail": None,
            }
