"""What holds for every format: the same values are the same rows, and what is written can be read again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import files
from tests.jobs.files import tables

FEW = settings(max_examples=80, deadline=None)
ROWS_A_PIECE = st.integers(1, 4)
Place = Callable[[str], Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where a file of a format lies, one after the other."""
    folder = tmp_path_factory.mktemp("formats")
    return lambda format: folder / f"input.{format}"


@pytest.mark.parametrize("format", files.FORMATS)
@FEW
@given(said=tables.tables(odd=False), most_rows=ROWS_A_PIECE)
def test_rows_are_those_of_the_same_values_as_json(
    place: Place, format: str, said: tables.Table, most_rows: int
) -> None:
    signature, table = said[0], tables.typed(said[1])
    place(format).write_bytes(tables.written(format, signature.names, table))

    # As text, since 1 and 1.0 are equal.
    found = tables.read(place(format), format, signature, most_rows=most_rows)
    assert repr(found) == repr(tables.expected(signature, table))


@pytest.mark.parametrize("format", ["csv", "ndjson"])
@FEW
@given(said=tables.tables(odd=True), most_rows=ROWS_A_PIECE)
def test_values_of_any_type_are_refused_as_in_json(
    place: Place, format: str, said: tables.Table, most_rows: int
) -> None:
    signature, table = said
    place(format).write_bytes(tables.written(format, signature.names, table))

    found = tables.read(place(format), format, signature, most_rows=most_rows)
    assert repr(found) == repr(tables.expected(signature, table))


@pytest.mark.parametrize("format", files.FORMATS)
def test_what_could_be_read_however_deep_can_be_written(format: str) -> None:
    """Not in the other formats, perhaps, but it must not end a download."""
    known = files.Header((*tables.SMALL.names, "id"))
    for depth in range(800, 1010):
        line = b'{"id":' + b"[" * depth + b"]" * depth + b"}\n"
        writer = files.Writer(format, known, tables.OUTPUT, tables.SMALL, "ndjson")
        written = writer.head() + writer.rows(1, files.cells(line, "ndjson", known), [(None, "too_deep", "")])
        assert written + writer.end()
