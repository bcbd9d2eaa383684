"""Parquet as batch jobs read and write it: flat columns of numbers and texts, null where a value is missing.

A file is read a batch of rows at a time, whatever the size of its row groups; its pieces are Arrow IPC streams. A
column whose type can hold no value of its input refuses the file; a value that is refused, its row.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from inference.engine.inputs import Input, clipped
from inference.engine.signature import Row, Signature
from jobs.errors import BadFile, BadHeader, FileTooLarge, NoRows
from jobs.files import columns, header, refusal
from jobs.files.header import MOST_COLUMNS, Header
from jobs.files.memory import bounded
from jobs.files.parquet_writer import Writer
from jobs.files.pieces import MOST_CELL, MOST_ROWS, Piece
from jobs.files.refusal import Refusal

__all__ = ["Writer", "cells", "inspect", "rows", "split"]

_BATCH = 200
"""Rows read at a time: few, since a text that is long and comes often is short in the file and is not here."""
_BUFFER = 64 * 1024
MOST_UNPACKED = 2 * 1024**3
"""Bytes that a file may have when unpacked: a short file may hold the same long text a million times."""
MOST_AT_ONCE = 1024**3
"""Bytes of memory that reading a batch may take: what a file says of its sizes need not be so, and a dictionary of one
endless text is unpacked once a row."""
MOST_FOOTER = 8 * 1024**2
"""Bytes of a footer, which is read whole and takes some twenty times as much of a web process's memory."""


def inspect(path: Path, signature: Signature, carried: Sequence[str] = ()) -> Header:
    """The columns of a file, from its footer.

    Raises:
        BadFile: it is no Parquet file, or is not whole.
        BadHeader: its columns are not the signature's inputs and the carried ones, or have types that those have not.
        FileTooLarge: it has too many rows, or unpacks to too much.
        NoRows: it has none.
    """
    with path.open("rb") as source:
        file = _opened(source)
        schema = file.schema_arrow
        known = header.checked(schema.names, signature, carried)
        by_name = {one.name: one for one in signature.inputs}
        for name, type_ in zip(schema.names, schema.types, strict=True):
            _check_type(name, _plain(type_), by_name.get(name))
        if not file.metadata.num_rows:
            raise NoRows
    return known


def split(source: BinaryIO, known: Header, *, most_rows: int, most_bytes: int) -> Iterator[Piece]:
    """The rows in pieces, a batch at a time. A source that can't be read from any place is first copied to a file.

    Raises:
        BadFile: it can't be read to its end, or a cell is too long.
        FileTooLarge: it has too many rows, or unpacks to too much.
        NoRows: it has none.
    """
    with _seekable(source) as place:
        gathered: list[pa.RecordBatch] = []
        first_row, rows, size, total = 1, 0, 0, 0
        for batch in _batches(place, known, most_rows, most_bytes):
            total += batch.nbytes
            if total > MOST_UNPACKED:
                raise FileTooLarge(MOST_UNPACKED, "bytes when unpacked")
            if rows and (rows + batch.num_rows > most_rows or size + batch.nbytes > most_bytes):
                yield Piece(first_row, rows, _packed(gathered))
                first_row, gathered, rows, size = first_row + rows, [], 0, 0
            gathered.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
        if not gathered:
            raise NoRows
        yield Piece(first_row, rows, _packed(gathered))


def rows(data: bytes, known: Header, signature: Signature) -> list[Row | Refusal]:
    """What each row of a piece asks, or why it is refused."""
    table = _table(data)
    arrays = [table.column(name).chunk(0) for name in signature.names]
    if all(map(_is_sound, arrays)) and (found := columns.rows(arrays, signature)) is not None:
        return list(found)
    values = [_values(array) for array in arrays]
    return [_one(list(row), signature) for row in zip(*values, strict=True)]


def cells(data: bytes, known: Header) -> list[list[Any]]:
    """The values of each row by column. A text that is no UTF-8 has the replacement character in it."""
    table = _table(data)
    values = [_values(table.column(name).chunk(0), errors="replace") for name in known.columns]
    return [list(row) for row in zip(*values, strict=True)]


def _opened(source: BinaryIO) -> pq.ParquetFile:
    """The file, looked at from outside."""
    _check_footer(source)
    with _told():
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True)
        about = file.metadata
        groups = [about.row_group(number).total_byte_size for number in range(about.num_row_groups)]
    if about.num_columns > MOST_COLUMNS:
        raise BadFile(f"The file has {about.num_columns:,} columns; at most {MOST_COLUMNS:,} are read.")
    if about.num_rows > MOST_ROWS:
        raise FileTooLarge(MOST_ROWS, "rows")
    if sum(groups) > MOST_UNPACKED:
        raise FileTooLarge(MOST_UNPACKED, "bytes when unpacked")
    return file


def _check_footer(source: BinaryIO) -> None:
    """Refuse a footer that is too long. What ends in none is for pyarrow to refuse."""
    end = source.seek(0, io.SEEK_END)
    source.seek(max(0, end - 8))
    length = int.from_bytes(source.read(4), "little")
    source.seek(0)
    if MOST_FOOTER < length < end:
        raise BadFile(f"The footer has {length:,} bytes; at most {MOST_FOOTER:,} are read. Write larger row groups.")


@contextmanager
def _told() -> Iterator[None]:
    """What pyarrow raises about a file's contents as our error."""
    try:
        yield
    except MemoryError as error:
        raise FileTooLarge(MOST_AT_ONCE, "bytes when some rows are unpacked") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        # The disk's own errors have numbers; pyarrow's, which are of the same class, have none.
        if isinstance(error, OSError) and error.errno:
            raise
        reason = clipped(str(error).partition("\n")[0], 120)
        raise BadFile(f"The file is no Parquet file, or is not whole: {reason}") from error


@contextmanager
def _seekable(source: BinaryIO) -> Iterator[BinaryIO]:
    if source.seekable():
        yield source
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(source, copy)
        yield copy


def _batches(source: BinaryIO, known: Header, most_rows: int, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """Batches that fit a piece; a row that is larger than a piece is a batch of its own."""
    file = _opened(source)
    batches = file.iter_batches(min(_BATCH, most_rows), columns=list(known.columns), use_threads=False)
    while True:
        with _told(), bounded(MOST_AT_ONCE):
            batch = next(batches, None)
            if batch is None:
                return
            arrays = [column.cast(_plain(column.type)) for column in batch.columns]
        if any(types.is_string(array.type) and _longest(array) > MOST_CELL for array in arrays):
            raise BadFile(f"A text has more than {MOST_CELL:,} bytes.")
        yield from _fitting(pa.RecordBatch.from_arrays(arrays, names=batch.schema.names), most_bytes)


def _longest(texts: pa.Array) -> int:
    """Bytes of the longest text."""
    return pc.max(pc.binary_length(texts)).as_py() or 0


def _fitting(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """A batch in slices of at most so many bytes, or of one row."""
    if batch.num_rows > 1 and batch.nbytes > most_bytes:
        half = batch.num_rows // 2
        yield from _fitting(batch.slice(0, half), most_bytes)
        yield from _fitting(batch.slice(half), most_bytes)
    else:
        yield batch


def _plain(type_: pa.DataType) -> pa.DataType:
    """The type without how it is stored: one type for texts, no dictionaries."""
    if types.is_dictionary(type_):
        type_ = type_.value_type
    if types.is_large_string(type_) or types.is_string_view(type_):
        return pa.string()
    return type_


def _check_type(name: str, type_: pa.DataType, one: Input | None) -> None:
    """Refuse a type that holds no value of the column, or, for a carried column, none that can be written as text."""
    number = types.is_integer(type_) or types.is_floating(type_)
    fits = number if one is not None and one.dtype != "string" else types.is_string(type_)
    if one is None:
        fits = fits or number or types.is_boolean(type_) or types.is_temporal(type_) or types.is_decimal(type_)
    if not fits and not types.is_null(type_):
        expected = "numbers or texts" if one is None else one.expected
        raise BadHeader(f"`{clipped(name)}` holds {clipped(str(type_))}; expected {expected}.")


def _packed(batches: list[pa.RecordBatch]) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_batches(batches).combine_chunks()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all().combine_chunks()


def _is_sound(array: pa.Array) -> bool:
    """Whether texts are UTF-8, which a Parquet file need not keep to."""
    try:
        array.validate(full=types.is_string(array.type))
    except pa.ArrowInvalid:
        return False
    return True


def _values(array: pa.Array, errors: str | None = None) -> list[Any]:
    """A column's values; bytes where a text is no UTF-8 and `errors` does not say how to read it."""
    if _is_sound(array):
        return _listed(array)
    return [_decoded(raw, errors) for raw in array.view(pa.binary()).to_pylist()]


def _listed(array: pa.Array) -> list[Any]:
    """A column as Python's own values, or as texts where it has none: for nanoseconds, and for years beyond 9999."""
    type_ = array.type
    try:
        if types.is_temporal(type_) and getattr(type_, "unit", None) == "ns":
            array = array.cast(_in_microseconds(type_))
        values: list[Any] = array.to_pylist()
    except (pa.ArrowException, ArithmeticError, LookupError, ValueError):
        values = array.cast(pa.string()).to_pylist()
    return values


def _in_microseconds(type_: pa.DataType) -> pa.DataType:
    if types.is_timestamp(type_):
        return pa.timestamp("us", type_.tz)
    return pa.time64("us") if types.is_time(type_) else pa.duration("us")


def _decoded(raw: bytes | None, errors: str | None) -> str | bytes | None:
    if raw is None:
        return None
    try:
        return raw.decode(errors=errors or "strict")
    except UnicodeDecodeError:
        return raw


def _one(values: list[Any], signature: Signature) -> Row | Refusal:
    if any(isinstance(value, bytes) for value in values):
        return Refusal("invalid_encoding", "A text of the row is no UTF-8.")
    return refusal.checked(values, signature)
