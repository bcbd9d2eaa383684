"""What reading a file takes: a few pieces, whatever the file's size."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import files
from jobs.errors import FileTooLarge
from jobs.files import Header
from tests.jobs.files import reader

FILE_BYTES = 64 << 20
MOST_BYTES = 100 << 20


def csv(path: Path, columns: list[str]) -> int:
    line = b",".join([b"0.12345678"] * len(columns)) + b"\n"
    path.write_bytes(",".join(columns).encode() + b"\n" + line * (count := FILE_BYTES // len(line) - 1))
    return count


def quoted(path: Path, columns: list[str]) -> int:
    line = b'"12",' * (len(columns) - 1) + b'"a ""b""\n' + b"y" * 200 + b'"\n'
    path.write_bytes(",".join(columns).encode() + b"\n" + line * (count := FILE_BYTES // len(line) - 1))
    return count


def ndjson(path: Path, columns: list[str]) -> int:
    line = b"{" + b",".join(b'"%s":0.12345678' % name.encode() for name in columns) + b"}\n"
    path.write_bytes(line * (count := FILE_BYTES // len(line)))
    return count


def parquet(path: Path, columns: list[str]) -> int:
    """One row group of a million rows."""
    count = 1_000_000
    numbers = np.random.default_rng(0)
    table = {name: numbers.random(count) for name in columns[:-2]} | {
        columns[-2]: [f"{number:x}" for number in numbers.integers(0, 1 << 60, count)],
        columns[-1]: ["only a few"] * count,
    }
    pq.write_table(pa.table(table), path, row_group_size=count, compression="none")
    assert 0.9 * FILE_BYTES < path.stat().st_size < 1.2 * FILE_BYTES
    return count


@pytest.mark.parametrize("write", [csv, quoted, ndjson, parquet])
def test_a_large_file_is_never_whole_in_memory(tmp_path: Path, write: Callable[[Path, list[str]], int]) -> None:
    columns = [f"c{number}" for number in range(8)]
    path = tmp_path / "large"
    rows = write(path, columns)
    format = "csv" if write is quoted else write.__name__

    said = subprocess.run(
        [sys.executable, reader.__file__, format, str(path), ",".join(columns)],
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    read, peak_bytes = map(int, said.stdout.split())
    assert read == rows
    assert peak_bytes < MOST_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="Memory is bounded on Linux only.")
@pytest.mark.parametrize("store_schema", [False, True])
def test_a_text_without_end_takes_a_bounded_memory(
    tmp_path: Path, store_schema: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two hundred of them are more than Arrow may keep at hand.
    text = "x" * (12 * 1024**2)
    path = tmp_path / "short"
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), [text])
    table = pa.table({"number": [1.5] * 200, "text": texts})
    pq.write_table(table, path, store_schema=store_schema, write_statistics=False, compression="zstd")
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(files.parquet, "MOST_AT_ONCE", 200 * 1024**2)
    before = resource.getrlimit(resource.RLIMIT_DATA)

    with path.open("rb") as source, pytest.raises(FileTooLarge, match="unpacked"):
        list(files.split(source, "parquet", Header(("number", "text")), most_rows=9999, most_bytes=9999))
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
