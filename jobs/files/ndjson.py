"""NDJSON as batch jobs read and write it: UTF-8, one JSON object a line.

- A line holds the inputs by name, or `features` with them by name or in order; carried keys stand beside them.
- Empty lines are passed over; a byte order mark at the start is dropped.
- A line that is no JSON, or no strict JSON (a key twice, `NaN`, too deep), is one refused row. A file whose first line
  is no object refuses the file.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from inference.engine import strict_json
from inference.engine.errors import InvalidInput
from inference.engine.inputs import clipped
from inference.engine.signature import Output, Row, Signature
from jobs.errors import BadFile, NoRows
from jobs.files import header, lines, refusal, spelling
from jobs.files.header import Header
from jobs.files.pieces import MOST_ROW, Cutter, Piece
from jobs.files.refusal import Refusal
from jobs.files.results import Result, ResultColumns, status

_WRAPPED = "features"
_MARK = b'"features"'
_DOUBT = -(1 << 40)
"""A number of colons that no text has: what stands in carried lists and objects has to be looked at closely."""
_encode = msgspec.json.Encoder().encode


def inspect(path: Path, signature: Signature, carried: Sequence[str] = ()) -> Header:
    """The columns of a file: the inputs in the signature's order, then the carried keys.

    Raises:
        BadFile: its first line is no object.
        BadHeader: a carried key is an input, or is named twice.
        NoRows: it has no line.
    """
    known = header.checked((*signature.names, *carried), signature, carried)
    with path.open("rb") as source:
        first = next((block for block in lines.blocks(source, _ends) if block.ends), None)
    if first is None:
        raise NoRows
    text = first.data[: first.ends[0]]
    if not (text.lstrip().startswith(b"{") and text.rstrip().endswith(b"}")):
        shown = clipped(text.strip().decode(errors="replace"))
        at = text.rstrip().count(b"\n") + 1
        raise BadFile(f"Expected one JSON object a line; the first is {shown!r}.", line=at)
    return known


def split(source: BinaryIO, known: Header, *, most_rows: int, most_bytes: int) -> Iterator[Piece]:
    """The lines in pieces, read once, a block at a time.

    Raises:
        BadFile: a line is too long, or holds NUL; with its number.
        FileTooLarge: there are too many.
        NoRows: there is none.
    """
    cutter = Cutter(most_rows=most_rows, most_bytes=most_bytes)
    for block in lines.blocks(source, _ends):
        yield from cutter.add(*block)
    if not cutter.rows:
        raise NoRows
    yield from cutter.end()


def rows(data: bytes, known: Header, signature: Signature) -> list[Row | Refusal]:
    """What each line of a piece asks, or why it is refused."""
    texts = _lines(data)
    if not texts:
        return []
    carried = tuple(name for name in known.columns if name not in signature.names and _is_plain(name))
    form = _Form(signature, carried, wrapped=_may_wrap(known) and _MARK in texts[0])
    found = form.rows(data, texts)
    return list(found) if found is not None else [_one(text, form, known, signature) for text in texts]


def cells(data: bytes, known: Header) -> list[list[Any]]:
    """The values of each line by column; None where a line does not have it, everywhere where it can't be read.

    A line that is no UTF-8 has the replacement character in it.
    """
    return [_values(text, known) for text in _lines(data)]


class Writer:
    """Results as NDJSON: the input's keys, then `row`, `status` and `output`, or `error` and `detail`."""

    def __init__(self, known: Header, output: Output, signature: Signature, came: str | None) -> None:
        columns = ResultColumns(known, output)
        self._columns = [(name, spelling.typed(signature, name, came)) for name in known.columns]
        self._row, self._status, self._output, self._error, self._detail = map(
            columns.name, ("row", "status", "output", "error", "detail")
        )

    def head(self) -> bytes:
        """Nothing: the first line is the first row."""
        return b""

    def rows(self, first_row: int, cells: Sequence[Sequence[Any]], results: Sequence[Result]) -> bytes:
        """Consecutive rows."""
        said = []
        for row, (came, result) in enumerate(zip(cells, results, strict=True), first_row):
            line = {name: typed(cell) for (name, typed), cell in zip(self._columns, came, strict=True)}
            line |= {self._row: row, self._status: status(result)}
            output, error, detail = result
            if output is not None:
                line[self._output] = msgspec.Raw(output.encode())
            elif error is not None:
                line |= {self._error: error, self._detail: detail}
            said.append(line)
        return b"".join(_encode(line) + b"\n" for line in said)

    def end(self) -> bytes:
        """Nothing: the last line is the last row."""
        return b""


class _Form:
    """How lines are written, as a type that takes nothing but well-formed rows."""

    def __init__(self, signature: Signature, carried: tuple[str, ...], *, wrapped: bool) -> None:
        self._signature = signature
        self._wrapped = wrapped
        self._beside = [f"c{number}" for number in range(len(carried))]
        self._decode = _decoder(signature, carried, wrapped).decode

    def rows(self, data: bytes, texts: Sequence[bytes]) -> list[Row] | None:
        """The rows of some lines, or None if one of them needs a closer look.

        Args:
            data: all of the lines.
        """
        # An escape may hide a second key of the same name, or half a surrogate pair.
        if b"\\" in data or not lines.is_utf8(data):
            return None
        try:
            found = list(map(self._decode, texts))
        except (msgspec.DecodeError, RecursionError):
            return None
        colons = sum(map(self._colons, found)) if self._uneven else len(found) * len(self._signature.inputs)
        # More colons than keys and values have: a key came twice, or somewhere one has to look closely.
        if data.count(b":") != colons:
            return None
        if self._wrapped:
            return [self._signature.decoded_row(one.features) for one in found]
        width = len(self._signature.inputs)
        return [msgspec.structs.astuple(one)[:width] for one in found]

    @property
    def _uneven(self) -> bool:
        """Whether lines may have different numbers of colons."""
        return bool(self._wrapped or self._beside or not self._signature.all_numeric)

    def _colons(self, one: Any) -> int:
        colons = self._signature.colons(one.features) + 1 if self._wrapped else self._signature.colons(one)
        for name in self._beside:
            if (value := getattr(one, name)) is not msgspec.UNSET:
                text = bytes(value)
                colons += _DOUBT if text.startswith((b"[", b"{")) else 1 + text.count(b":")
        return colons


@lru_cache(maxsize=64)
def _decoder(signature: Signature, carried: tuple[str, ...], wrapped: bool) -> msgspec.json.Decoder[Any]:
    """Reads one line into a struct: the inputs as `f0`, `f1`, … or `features`, the carried keys as `c0`, `c1`, …."""
    inputs: list[tuple[str, Any]] = [(f"f{number}", one.value_type) for number, one in enumerate(signature.inputs)]
    names = {f"f{number}": name for number, name in enumerate(signature.names)}
    if wrapped:
        inputs, names = [(_WRAPPED, signature.features_type)], {}
    beside = [(f"c{n}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for n in range(len(carried))]
    names |= {f"c{number}": name for number, name in enumerate(carried)}
    return msgspec.json.Decoder(
        msgspec.defstruct("Line", [*inputs, *beside], rename=names, forbid_unknown_fields=True, gc=False)
    )


def _one(text: bytes, form: _Form, known: Header, signature: Signature) -> Row | Refusal:
    """One line's row, or every problem found in it."""
    found = form.rows(text, [text])
    if found is not None:
        return found[0]
    try:
        said = strict_json.decode(text)
    except InvalidInput as error:
        return Refusal(error.code, str(error))
    if not isinstance(said, dict):
        return Refusal("not_an_object", f"Expected one JSON object a line; got {clipped(said)}.")
    carried = set(known.columns) - set(signature.names)
    inputs = {name: value for name, value in said.items() if name not in carried}
    if not (_may_wrap(known) and _WRAPPED in inputs):
        return refusal.checked(inputs, signature)
    features = inputs.pop(_WRAPPED)
    if inputs:
        detail = f"`{clipped(next(iter(inputs)))}` has no place beside `features`. Name it in `carry`, or leave it out."
        return Refusal("unknown_field", detail)
    return refusal.checked(features, signature)


def _is_plain(name: str) -> bool:
    """Whether JSON writes a key without escapes. Others msgspec has no fields for; their lines are read closely."""
    return json.dumps(name, ensure_ascii=False) == f'"{name}"'


def _may_wrap(known: Header) -> bool:
    """Whether `features` can stand for the inputs: nothing else has that name."""
    return _WRAPPED not in known.columns


def _values(text: bytes, known: Header) -> list[Any]:
    try:
        said = msgspec.json.decode(text if lines.is_utf8(text) else text.decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return [None] * len(known.columns)
    if _may_wrap(known) and _WRAPPED in said:
        features = said[_WRAPPED]
        if isinstance(features, list):
            # In the signature's order, which is the header's.
            features = dict(zip(known.columns, features, strict=False))
        said |= features if isinstance(features, dict) else {}
    return [said.get(name) for name in known.columns]


def _lines(data: bytes) -> list[bytes]:
    return [text for text in data.split(b"\n") if text.strip()]


def _ends(data: bytes, final: bool, line: int) -> tuple[list[int], int]:
    """Where lines end that hold something, and up to where the bytes are done with."""
    done = len(data) if final else data.rfind(b"\n") + 1
    ends, end = [], 0
    for number, text in enumerate(data[:done].split(b"\n")):
        end += len(text) + 1
        if len(text) > MOST_ROW:
            raise BadFile(f"The line has more than {MOST_ROW:,} bytes.", line=line + number)
        if text.strip():
            ends.append(min(end, done))
    return ends, done
