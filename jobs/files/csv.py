"""CSV as batch jobs read and write it: RFC 4180 in UTF-8, comma, a header first.

- A byte order mark at the start is dropped, empty lines are passed over, lines end in LF or CRLF.
- An empty cell is a missing value; a text that is there and empty can't be said.
- A number is written as Python's `float` reads it, without `_`; blanks around it do not matter.
- A row with another number of cells, or bytes that are no UTF-8, is one refused row. What makes it doubtful where
  rows begin, such as a quote that is never closed, refuses the file.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from inference.engine.inputs import clipped
from inference.engine.signature import Output, Row, Signature
from jobs.errors import BadFile, BadHeader, NoRows
from jobs.files import columns, header, lines, refusal, spelling
from jobs.files.header import MOST_COLUMNS, Header
from jobs.files.lines import Block
from jobs.files.pieces import MOST_CELL, Cutter, Piece
from jobs.files.refusal import Refusal
from jobs.files.results import Result, ResultColumns

_LATIN = "latin-1"
"""Reads any bytes, a character each; what matters to the form of a CSV is the same in it as in UTF-8."""
_UNENDED = "unexpected end of data"
"""What the csv module says where a quote is open at the end."""
_LONE_CR = "a CR stands alone: end lines with LF or CRLF."
_OTHER_SEPARATORS = (";", "\t", "|")
_AT_ONCE = 256
"""Rows looked at together where some rows of a piece need a closer look."""


@dataclass(frozen=True, slots=True)
class _Bad:
    """A row that is refused for its form, and what can be had of its cells."""

    cells: list[str]
    refusal: Refusal


def inspect(path: Path, signature: Signature, carried: Sequence[str] = ()) -> Header:
    """The header of a file, from its first rows.

    Raises:
        BadFile: it is no CSV, as far as its beginning shows.
        BadHeader: its columns are not the signature's inputs and the carried ones.
        NoRows: nothing follows the header.
    """
    with path.open("rb") as source:
        blocks = lines.blocks(source, _ends)
        names, rest = _headed(blocks)
        _check_separator(names)
        known = header.checked(names, signature, carried)
        if not rest.ends and not any(block.ends for block in blocks):
            raise NoRows
    return known


def split(source: BinaryIO, known: Header, *, most_rows: int, most_bytes: int) -> Iterator[Piece]:
    """The rows in pieces, read once, a block at a time.

    Raises:
        BadFile: a row can't be told from the next one, or is too long; with its line.
        FileTooLarge: there are too many rows.
        NoRows: there is none.
    """
    cutter = Cutter(most_rows=most_rows, most_bytes=most_bytes)
    blocks = lines.blocks(source, _ends)
    _, rest = _headed(blocks)
    yield from cutter.add(*rest)
    for block in blocks:
        yield from cutter.add(*block)
    if not cutter.rows:
        raise NoRows
    yield from cutter.end()


def rows(data: bytes, known: Header, signature: Signature) -> list[Row | Refusal]:
    """What each row of a piece asks, or why it is refused."""
    if not data:
        return []
    found = _at_once(data, known, signature)
    if found is not None:
        return list(found)
    answers: list[Row | Refusal] = []
    table = _table(data, len(known.columns))
    places = [known.columns.index(name) for name in signature.names]
    while some := list(islice(table, _AT_ONCE)):
        answers += _together(some, places, signature) or [_one(cells, places, signature) for cells in some]
    return answers


def cells(data: bytes, known: Header) -> list[list[Any]]:
    """The texts of a piece's rows as they came, one a column.

    A refused row has what can be had: cells that are missing are empty, surplus ones are cut off, and bytes that are
    no UTF-8 are the replacement character.
    """
    width = len(known.columns)
    return [list(row.cells + [""] * width)[:width] if isinstance(row, _Bad) else row for row in _table(data, width)]


class Writer:
    """Results as CSV: the input's columns as they came, then what came of each row."""

    def __init__(self, known: Header, output: Output, signature: Signature, came: str | None) -> None:
        self._columns = ResultColumns(known, output)
        self._known = known

    def head(self) -> bytes:
        """The header."""
        return _written([[*self._known.columns, *self._columns.names]])

    def rows(self, first_row: int, cells: Sequence[Sequence[Any]], results: Sequence[Result]) -> bytes:
        """Consecutive rows."""
        return _written(
            [*map(spelling.text, came), *self._columns.texts(row, result)]
            for row, (came, result) in enumerate(zip(cells, results, strict=True), first_row)
        )

    def end(self) -> bytes:
        """Nothing: a CSV has no end."""
        return b""


def _written(table: Iterable[Sequence[str]]) -> bytes:
    # CRLF is what makes the module quote every cell that holds a CR or an LF.
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\r\n").writerows(table)
    return stream.getvalue().encode("utf-8", "replace")


def _headed(blocks: Iterator[Block]) -> tuple[list[str], Block]:
    """The names in the header, and what follows it in its block."""
    data, ends = next((block for block in blocks if block.ends), Block(b"", []))
    if not ends:
        raise NoRows
    first, *others = ends
    return _names(data[:first]), Block(data[first:], [end - first for end in others])


def _names(data: bytes) -> list[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadFile("The header is no UTF-8. Save the file as UTF-8.", line=1) from None
    try:
        names = next(row for row in csv.reader(io.StringIO(text, newline="\n"), strict=True) if row)
    except csv.Error as error:
        raise BadFile(f"The header can't be cut into names: {_told(error)}", line=1) from None
    if len(names) > MOST_COLUMNS:
        raise BadFile(f"The header has {len(names):,} columns; at most {MOST_COLUMNS:,} are read.", line=1)
    return names


def _check_separator(names: Sequence[str]) -> None:
    """Refuse a header that other separators made one name of; no input has them in its name."""
    mark = next((mark for mark in _OTHER_SEPARATORS if mark in names[0]), None)
    if mark and len(names) == 1:
        raise BadHeader(f"The header is one name, `{clipped(names[0])}`: separate columns by commas, not by {mark!r}.")


def _told(error: csv.Error) -> str:
    """What the csv module says, where it speaks to whoever wrote a program for whoever sent a file."""
    return _LONE_CR if str(error).startswith("new-line character") else f"{error}."


def _ends(data: bytes, final: bool, line: int) -> tuple[list[int], int]:
    """Where rows end, and up to where the bytes are done with."""
    body = data if final else data[: data.rfind(b"\n") + 1]
    texts = body.split(b"\n")
    if not _plain(body) or max(map(len, texts)) > MOST_CELL:
        return _ends_by_reader(body, final, line)
    ends, end = [], 0
    for text in texts:
        end += len(text) + 1
        if text and text != b"\r":
            ends.append(min(end, len(body)))
    return ends, len(body)


def _plain(data: bytes) -> bool:
    """Whether each line is a row whatever it holds: there are no quotes, and no CR without an LF."""
    return b'"' not in data and data.count(b"\r") == data.count(b"\r\n")


def _ends_by_reader(body: bytes, final: bool, line: int) -> tuple[list[int], int]:
    """As `_ends`, where cells may be quoted."""
    places = [0, *accumulate(len(text) + 1 for text in body.split(b"\n"))]
    reader = csv.reader(io.StringIO(body.decode(_LATIN), newline="\n"), strict=True)
    ends: list[int] = []
    while True:
        before = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            if str(error) == _UNENDED:
                if final:
                    raise BadFile("A quote is opened and never closed.", line=line + before) from None
                return ends, places[before]
            if places[reader.line_num] - places[before] > MOST_CELL:
                detail = f"A cell has more than {MOST_CELL:,} bytes, or a quote is never closed."
                raise BadFile(detail, line=line + before) from None
        else:
            if row is None:
                return ends, len(body)
            if not row:
                continue
        ends.append(min(places[reader.line_num], len(body)))


def _at_once(data: bytes, known: Header, signature: Signature) -> list[Row] | None:
    """All rows of a piece, if none needs a closer look."""
    if not _plain(data) or b"\x00" in data or not lines.is_utf8(data):
        return None
    types = {one.name: columns.type_of(one) for one in signature.inputs}
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(data),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=list(known.columns)
            ),
            parse_options=arrow_csv.ParseOptions(quote_char=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid:
        return None
    return columns.rows([column.combine_chunks() for column in table.columns], signature)


def _table(data: bytes, width: int) -> Iterator[list[str] | _Bad]:
    """The cells of each row."""
    sound = lines.is_utf8(data)
    text = data.decode() if sound else data.decode(_LATIN)
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield _Bad([], Refusal("wrong_shape", f"The row can't be cut into cells: {_told(error)}"))
            continue
        if row is None:
            return
        if row:
            yield _checked(row, width) if sound else _decoded(row, width)


def _checked(row: list[str], width: int) -> list[str] | _Bad:
    if len(row) == width:
        return row
    return _Bad(row, Refusal("wrong_shape", f"Expected {width} cells, as many as the header has; got {len(row)}."))


def _decoded(row: list[str], width: int) -> list[str] | _Bad:
    """A row that was read byte by byte, as UTF-8."""
    came = [cell.encode(_LATIN) for cell in row]
    try:
        return _checked([cell.decode() for cell in came], width)
    except UnicodeDecodeError:
        detail = "The row is no UTF-8. Save the file as UTF-8."
        return _Bad([cell.decode(errors="replace") for cell in came], Refusal("invalid_encoding", detail))


def _together(some: list[list[str] | _Bad], places: list[int], signature: Signature) -> list[Row] | None:
    """The rows of some cells, if none needs a closer look."""
    if any(isinstance(row, _Bad) for row in some):
        return None
    texts = list(zip(*some, strict=True))
    return columns.rows([_array(texts[place]) for place in places], signature)


def _array(texts: Sequence[str]) -> pa.Array:
    found = pa.array(texts, pa.string())
    return pc.if_else(pc.equal(found, ""), pa.scalar(None, pa.string()), found) if "" in texts else found


def _one(row: list[str] | _Bad, places: list[int], signature: Signature) -> Row | Refusal:
    if isinstance(row, _Bad):
        return row.refusal
    values = [spelling.value(one, row[place]) for one, place in zip(signature.inputs, places, strict=True)]
    return refusal.checked(values, signature)
