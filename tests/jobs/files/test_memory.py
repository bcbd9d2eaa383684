"""What reading a file takes: a few pieces, whatever the file's size."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
