"""Results as a Parquet file: typed, in row groups, and made without much."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import files
from jobs.files import Header, parquet_writer
from tests.jobs.files import tables
from tests.jobs.files.tables import HEADER, OUTPUT, ROW, SMALL


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([1_767_322_800_000_000_000], pa.timestamp("ns")), "2026-01-02 03:00:00"),
        (pa.array([1_767_322_800_000_000_001], pa.timestamp("ns")), "2026-01-02 03:00:00.000000001"),
        (pa.array([1_767_322_800_000_000_000], pa.timestamp("ns", "UTC")), "2026-01-02 03:00:00+00:00"),
        (pa.array([10**15], pa.timestamp("ms")), "1000000000000000"),
        (pa.array([10**8], pa.date32()), "100000000"),
        (pa.array([3_600_000_000_000], pa.time64("ns")), "01:00:00"),
        (pa.array([1_500_000_000], pa.duration("ns")), "0:00:01.500000"),
        (pa.array([1.5], pa.float16()), "1.5"),
    ],
)
@pytest.mark.parametrize("format", files.FORMATS)
def test_a_carried_value_that_python_has_not_is_written_all_the_same(
    tmp_path: Path, column: pa.Array, text: str, format: str
) -> None:
    path = tmp_path / "input.parquet"
    pq.write_table(pa.table({"note": ["a"], "odd": column}), path)
    header = files.inspect(path, "parquet", tables.NOTE, ["odd"])
    with path.open("rb") as source:
        (piece,) = files.split(source, "parquet", header, most_rows=9, most_bytes=9999)
    cells = files.cells(piece.data, "parquet", header)

    writer = files.Writer(format, header, OUTPUT, tables.NOTE, "parquet")
    written = writer.head() + writer.rows(1, cells, [(None, None, None)]) + writer.end()

    if format == "csv":
        assert text in written.decode().splitlines()[1].split(",")[1]
    elif format == "ndjson":
        assert json.loads(written)["odd"] is not None
    else:
        assert text in pq.read_table(io.BytesIO(written)).to_pylist()[0]["odd"]


@pytest.mark.parametrize("wide", [True, False])
def test_what_waits_to_be_written_is_bounded_by_its_cells_and_its_texts(
    monkeypatch: pytest.MonkeyPatch, wide: bool
) -> None:
    monkeypatch.setattr(parquet_writer, "GROUP_CELLS" if wide else "GROUP_BYTES", 1000)
    writer = files.Writer("parquet", HEADER, OUTPUT, SMALL, "parquet")
    writer.head()

    parts = [writer.rows(1 + 50 * n, [[*ROW, "abcdefghij"]] * 50, [(None, None, None)] * 50) for n in range(4)]

    assert [bool(part) for part in parts] == [False, True] * 2
    assert pq.read_metadata(io.BytesIO(b"".join([b"PAR1", *parts, writer.end()]))).num_row_groups == 2


@pytest.mark.parametrize("came", ["csv", "ndjson"])
def test_results_are_typed_as_the_signature_says(came: str) -> None:
    data = {
        "csv": b"1.5,2,pump,9,x\nwarm,2.5,,18446744073709551616,\n",
        "ndjson": b'{"level":1.5,"count":2,"kind":"pump","serial":9,"id":"x"}\n{"level":"warm","count":2.5,"kind":null,'
        b'"serial":18446744073709551616,"id":""}\n',
    }[came]
    writer = files.Writer("parquet", HEADER, OUTPUT, SMALL, came)
    results = [('{"label":"ok","scores":{"worn":0.1,"ok":0.9}}', None, None), (None, "wrong_type", "No.")]

    parts = [writer.head(), *(writer.rows(1 + 2 * n, files.cells(data, came, HEADER), results) for n in range(15_000))]
    table = pq.read_table(io.BytesIO(b"".join([*parts, writer.end()])))

    assert sum(map(bool, parts)) >= 2
    assert [str(type_) for type_ in table.schema.types] == [
        *("double", "int64", "string", "int64", "string"),
        *("int64", "string", "string", "double", "double", "string", "string"),
    ]
    assert table.num_rows == 30_000
    assert list(table.slice(29_998).to_pylist()[0].values()) == [*ROW, "x", 29_999, "ok", "ok", 0.9, 0.1, None, None]
    second = [None, None, None, None, "", 30_000, "error", None, None, None, "wrong_type", "No."]
    assert list(table.slice(29_999).to_pylist()[0].values()) == second


@pytest.mark.parametrize("came", ["csv", "ndjson"])
def test_an_integer_beyond_every_float_is_no_value_of_an_integer_column(came: str) -> None:
    huge = b"9" * 400
    data = {
        "csv": b",".join([b"1.5", huge, b"pump", huge, b"x"]) + b"\n",
        "ndjson": b'{"level":1.5,"count":%s,"kind":"pump","serial":%s,"id":"x"}\n' % (huge, huge),
    }[came]
    writer = files.Writer("parquet", HEADER, OUTPUT, SMALL, came)

    cells = files.cells(data, came, HEADER)
    written = writer.head() + writer.rows(1, cells, [(None, "out_of_range", "No.")]) + writer.end()

    (row,) = pq.read_table(io.BytesIO(written)).to_pylist()
    assert [row[name] for name in HEADER.columns] == [1.5, None, "pump", None, "x"]


def test_what_was_written_is_an_input_again(tmp_path: Path) -> None:
    path = tmp_path / "input.parquet"
    writer = files.Writer("parquet", Header(SMALL.names), OUTPUT, SMALL)
    path.write_bytes(writer.head() + writer.rows(1, [ROW], [(None, None, None)]) + writer.end())

    beside = ["row", "status", "label", "score_ok", "score_worn", "error", "detail"]
    assert tables.read(path, "parquet", SMALL, beside) == [ROW]


def test_writing_does_not_import_pandas_into_a_web_process():
    program = (
        "import sys\n"
        "from inference.engine.inputs import Input\n"
        "from inference.engine.signature import Output, Signature\n"
        "from jobs.files import Header, Writer\n"
        "signature = Signature((Input(name='a', dtype='float'), Input(name='b', dtype='string')), "
        "Output(kind='regression'))\n"
        "for came, cells in (('csv', [['1.5', 'x'], ['', 'y']]), ('ndjson', [[1.5, 'x'], [None, 3]])):\n"
        "    writer = Writer('parquet', Header(columns=('a', 'b')), signature.output, signature, came)\n"
        "    writer.head(), writer.rows(1, cells, [('{\"value\":1.0}', None, None)] * 2), writer.end()\n"
        "print('pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
