"""Inputs of batch jobs for tests: what any signature may be sent, and one small signature with one of everything."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from inference.engine.inputs import Input
from inference.engine.signature import Output, Row, Signature
from jobs import files
from jobs.files import Header, Refusal, refusal
from tests.inference.engine.signatures import TEXTS, signatures

Table = tuple[Signature, list[list[object]]]
"""A signature, and rows of values in its order."""

OUTPUT = Output(kind="classification", labels=("ok", "worn"))
SMALL = Signature(
    (
        Input(name="level", dtype="float", min=0, max=130),
        Input(name="count", dtype="int", nullable=True),
        Input(name="kind", dtype="string", categories=("pump", "valve"), nullable=True),
        Input(name="serial", dtype="int64"),
    ),
    OUTPUT,
)
NOTE = Signature((Input(name="note", dtype="string"),), OUTPUT)
HEADER = Header((*SMALL.names, "id"))
ROW = (1.5, 2, "pump", 9)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _values(one: Input) -> st.SearchStrategy[object]:
    """What an input may be sent that every format can say."""
    low, high = one.refused_beyond
    if one.dtype == "string":
        good: st.SearchStrategy[object] = TEXTS.filter(bool) | st.sampled_from(one.categories or ("x",))
        return good | good | good | st.none() | st.text("ab", min_size=257, max_size=258)
    if one.dtype == "float":
        good = st.floats(low, high, allow_nan=False)
    else:
        good = st.integers(int(low), int(high)) | st.integers(-(2**24), 2**24).map(float)
    return good | good | good | good | st.none() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)


@st.composite
def tables(draw: st.DrawFn, *, odd: bool) -> Table:
    """A signature and rows of values in its order, with texts for numbers among them where `odd`."""
    signature = draw(signatures())
    columns = [_values(one) for one in signature.inputs]
    if odd:
        words = TEXTS.filter(lambda text: text and not _is_number(text))
        columns = [
            column if one.dtype == "string" else column | column | words
            for one, column in zip(signature.inputs, columns, strict=True)
        ]
    return signature, [list(row) for row in draw(st.lists(st.tuples(*columns), min_size=1, max_size=12))]


def typed(table: list[list[object]]) -> list[list[object]]:
    """The same rows where each column has one type: one float among its numbers makes all of them floats."""
    columns = []
    for column in zip(*table, strict=True):
        numbers = [value for value in column if isinstance(value, int | float)]
        if any(isinstance(number, float) or abs(number) >= 2**63 for number in numbers):
            column = tuple(value if value is None else float(value) for value in column)
        columns.append(column)
    return [list(row) for row in zip(*columns, strict=True)]


def expected(signature: Signature, table: Iterable[list[object]]) -> list[Row | Refusal]:
    """What the signature says to each row by itself."""
    return [refusal.checked(row, signature) for row in table]


def written(format: str, names: Sequence[str], table: Iterable[Sequence[object]]) -> bytes:
    """A file of that format."""
    if format == "ndjson":
        texts = [json.dumps(dict(zip(names, row, strict=True))) for row in table]
        return "".join(
            text.replace(": -Infinity", ": -1e999").replace(": Infinity", ": 1e999") + "\n" for text in texts
        ).encode()
    if format == "parquet":
        columns = [pa.array(column) for column in zip(*table, strict=True)]
        sink = io.BytesIO()
        pq.write_table(pa.table(columns, names=list(names)), sink, row_group_size=2)
        return sink.getvalue()
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([names, *table])
    return stream.getvalue().encode()


def read(
    path: Path, format: str, signature: Signature, carried: Sequence[str] = (), *, most_rows: int = 1000
) -> list[Row | Refusal]:
    """A file's rows, by the whole way from the file."""
    header = files.inspect(path, format, signature, carried)
    answers: list[Row | Refusal] = []
    with path.open("rb") as source:
        for piece in files.split(source, format, header, most_rows=most_rows, most_bytes=1 << 20):
            assert piece.first_row == len(answers) + 1
            found = files.rows(piece.data, format, header, signature)
            assert len(found) == piece.rows <= most_rows
            answers += found
    return answers
