"""Results as a Parquet file that is sent while it is made."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from inference.engine.inputs import Input
from inference.engine.signature import Output, Signature
from jobs.files import spelling
from jobs.files.header import Header
from jobs.files.results import Result, ResultColumns, status

GROUP = 20_000
GROUP_CELLS = 1_000_000
GROUP_BYTES = 32 * 1024 * 1024
"""Rows, cells and texts of a row group: it is written once it has as much of one of them, since it waits in memory."""
_SAME = {
    "float": {float, int, type(None)},
    "int": {int, type(None)},
    "int64": {int, type(None)},
    "string": {str, type(None)},
}
"""Of which Python types the values are that need no closer look."""
_TYPES = {"float": pa.float64(), "int": pa.int64(), "int64": pa.int64(), "string": pa.string()}


class Writer:
    """Results as Parquet: the input's columns, typed as the signature says, then those of the results.

    A cell that is no value of its input's type is null; the row's `detail` says what it was. Carried columns are texts.
    """

    def __init__(self, known: Header, output: Output, signature: Signature, came: str | None) -> None:
        by_name = {one.name: one for one in signature.inputs}
        self._inputs = [by_name.get(name) for name in known.columns]
        self._are_texts = came in (None, "csv")
        self._spelt = [spelling.typed(signature, name, came) for name in known.columns]
        self._results = ResultColumns(known, output)
        self._schema = self._typed(known)
        self._sink = _Sink()
        self._waiting: list[tuple[Any, ...]] = []
        self._most_rows = min(GROUP, GROUP_CELLS // len(self._schema) + 1)
        # Only a Parquet file unpacks to much more than it has; others can't hold long texts in each of many rows.
        self._is_packed = came == "parquet"
        self._characters = 0
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")

    def head(self) -> bytes:
        """The first bytes."""
        return self._sink.taken()

    def rows(self, first_row: int, cells: Sequence[Sequence[Any]], results: Sequence[Result]) -> bytes:
        """Consecutive rows: kept until they are a row group's worth."""
        for row, (came, result) in enumerate(zip(cells, results, strict=True), first_row):
            output, error, detail = result
            self._waiting.append((*came, row, status(result), *self._results.values(output), error, detail))
            if self._is_packed:
                self._characters += sum(len(cell) for cell in came if type(cell) is str)
        if len(self._waiting) >= self._most_rows or self._characters >= GROUP_BYTES:
            self._flush()
        return self._sink.taken()

    def end(self) -> bytes:
        """The last rows, and the footer."""
        self._flush()
        self._writer.close()
        return self._sink.taken()

    def _typed(self, known: Header) -> pa.Schema:
        answers = {"label": pa.string()}
        kinds = [_TYPES[one.dtype] if one is not None else pa.string() for one in self._inputs]
        kinds += [pa.int64(), pa.string()]
        kinds += [answers.get(name, pa.float64()) for name in self._results.kinds]
        kinds += [pa.string(), pa.string()]
        return pa.schema(list(zip((*known.columns, *self._results.names), kinds, strict=True)))

    def _flush(self) -> None:
        if not self._waiting:
            return
        columns = list(zip(*self._waiting, strict=True))
        self._waiting, self._characters = [], 0
        inputs = [self._input(position, columns[position]) for position in range(len(self._inputs))]
        beside = zip(columns[len(inputs) :], self._schema.types[len(inputs) :], strict=True)
        arrays = [*inputs, *(_array(values, type_) for values, type_ in beside)]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema), row_group_size=GROUP)

    def _input(self, position: int, values: Sequence[Any]) -> pa.Array:
        """A column of the input; at once where every value is one of its type."""
        one, type_ = self._inputs[position], self._schema.types[position]
        try:
            if self._are_texts and types.is_floating(type_) and set(map(type, values)) == {str}:
                return _array([value or None for value in values], pa.string()).cast(type_)
            # An empty text of a CSV is a missing value of an input, so that has to be looked at.
            plain = one is None or "" not in values
            if plain and set(map(type, values)) <= _SAME[one.dtype if one is not None else "string"]:
                return _array(values, type_)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            pass
        return _array([_cell(self._spelt[position](value), one) for value in values], type_)


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Values of a column's type, or None, as an Arrow array.

    Not by `pa.array`, which imports pandas at its first call: 50 MB and more than a second, in a web process.

    Raises:
        OverflowError: an integer is beyond 64 bits.
        UnicodeEncodeError: a text holds half a surrogate pair.
    """
    if types.is_string(type_):
        builder = pa.lib.StringBuilder()
        builder.append_values(values)
        return builder.finish()
    there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    kind = np.float64 if types.is_floating(type_) else np.int64
    numbers = np.fromiter((0 if value is None else value for value in values), kind, len(values))
    mask = pa.py_buffer(np.packbits(there, bitorder="little").tobytes())
    return pa.Array.from_buffers(type_, len(values), [mask, pa.py_buffer(numbers.tobytes())])


def _cell(value: Any, one: Input | None) -> Any:
    """A value as its column's type holds it, or None."""
    if value is None:
        return None
    if one is None or one.dtype == "string":
        return spelling.text(value).encode("utf-8", "replace").decode()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if one.dtype == "float":
        try:
            return float(value)
        except OverflowError:
            return None
    whole = isinstance(value, int) or value.is_integer()
    return int(value) if whole and -(2**63) <= value < 2**63 else None


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        """What was written since it was last taken."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
