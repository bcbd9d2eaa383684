"""A process that reads a file in pieces as a worker does, and says how many rows it had and how much memory it took.

python reader.py FORMAT FILE COLUMNS
"""

import re
import sys
from pathlib import Path

from jobs import files


def peak_bytes() -> int:
    """The most memory this process ever had. Not `ru_maxrss`, which begins with what its parent had."""
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kib) * 1024


def main(format: str, path: str, columns: str) -> None:
    """Read the file, dropping each piece."""
    header = files.Header(tuple(columns.split(",")))
    before = peak_bytes()
    with Path(path).open("rb") as source:
        pieces = files.split(source, format, header, most_rows=10_000, most_bytes=8 << 20)
        rows = sum(piece.rows for piece in pieces)
    sys.stdout.write(f"{rows} {peak_bytes() - before}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
