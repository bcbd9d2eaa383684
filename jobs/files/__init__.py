"""Files of batch jobs: read into rows that the engine predicts, and written with what came of them.

Each format is a module with the same functions; whoever uses files names the format and sees no difference.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from inference.engine.signature import Output, Row, Signature
from jobs.errors import FileTooLarge
from jobs.files import csv, ndjson, parquet
from jobs.files.header import Header
from jobs.files.pieces import MOST_BYTES, MOST_ROWS, Piece
from jobs.files.refusal import Refusal
from jobs.files.results import Result

__all__ = ["FORMATS", "MOST_BYTES", "MOST_ROWS", "Header", "Piece", "Refusal", "Result", "Row", "Writer"]

FORMATS: dict[str, ModuleType] = {"csv": csv, "ndjson": ndjson, "parquet": parquet}


def inspect(path: Path, format: str, signature: Signature, carried: Sequence[str] = ()) -> Header:
    """The columns of a file, from its beginning: cheap, whatever the file's size.

    Args:
        format: a key of `FORMATS`.
        carried: columns that are no inputs and are kept beside the results.

    Raises:
        FileTooLarge: it has more than `MOST_BYTES`.
        BadFile: it is not of the format, as far as its beginning shows.
        BadHeader: its columns are not the signature's inputs in any order and the carried ones.
        NoRows: it has none.
    """
    if path.stat().st_size > MOST_BYTES:
        raise FileTooLarge(MOST_BYTES, "bytes")
    found: Header = FORMATS[format].inspect(path, signature, carried)
    return found


def split(source: BinaryIO, format: str, header: Header, *, most_rows: int, most_bytes: int) -> Iterator[Piece]:
    """The rows of a file in pieces of at most so many rows and bytes, read once and never whole in memory.

    A row that is larger than `most_bytes` is a piece of its own.

    Raises:
        BadFile: the file stops being of the format; pieces may have come before.
        FileTooLarge: it has more than `MOST_ROWS` rows.
        NoRows: it has none.
    """
    pieces: Iterator[Piece] = FORMATS[format].split(source, header, most_rows=most_rows, most_bytes=most_bytes)
    return pieces


def rows(data: bytes, format: str, header: Header, signature: Signature) -> list[Row | Refusal]:
    """What each row of a piece asks the model, or why it is refused: one entry a row, in order."""
    found: list[Row | Refusal] = FORMATS[format].rows(data, header, signature)
    return found


def cells(data: bytes, format: str, header: Header) -> list[list[Any]]:
    """What each row of a piece holds, in the order of the header's columns, as it came.

    Texts for CSV; plain values for the others, None where a value is missing.
    """
    found: list[list[Any]] = FORMATS[format].cells(data, header)
    return found


class Writer:
    """Writes results beside their input, a stretch at a time: `head`, then `rows` as often as needed, then `end`.

    Args:
        format: a key of `FORMATS`; it need not be the input's.
        output: what the version that answered gives.
        came: the input's format. Where it is not said, texts in columns of numbers are taken for CSV's.
    """

    def __init__(
        self, format: str, header: Header, output: Output, signature: Signature, came: str | None = None
    ) -> None:
        self._writer = FORMATS[format].Writer(header, output, signature, came)

    def head(self) -> bytes:
        """What comes before the rows."""
        head: bytes = self._writer.head()
        return head

    def rows(self, first_row: int, cells: Sequence[Sequence[Any]], results: Sequence[Result]) -> bytes:
        """Consecutive rows.

        Args:
            first_row: the number of the first of them; rows are counted from 1.
            cells: as the function `cells` gives them.
            results: as many; each an output as JSON text, or an error's code and detail.
        """
        written: bytes = self._writer.rows(first_row, cells, results)
        return written

    def end(self) -> bytes:
        """What comes after the rows."""
        end: bytes = self._writer.end()
        return end
