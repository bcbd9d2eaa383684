"""Results as a Parquet file: typed, in row groups, and made without much."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import files
from jobs.files import Header
from tests.jobs.files import tables
from tests.jobs.files.tables import HEADER, OUTPUT, ROW, SMALL


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
