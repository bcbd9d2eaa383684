"""What holds for every format: the same values are the same rows, and what is written can be read again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import files
from tests.jobs.files import tables


@pytest.mark.parametrize("format", files.FORMATS)
@settings(max_examples=80, deadline=None)
@given(said=st.booleans().flatmap(lambda odd: tables.tables(odd=odd)), most_rows=st.integers(1, 4))
def test_rows_are_those_of_the_same_values_as_json(
    tmp_path_factory: pytest.TempPathFactory, format: str, said: tables.Table, most_rows: int
) -> None:
    signature, table = said
    path = tmp_path_factory.getbasetemp() / f"any.{format}"
    path.write_bytes(tables.written(format, signature.names, table))

    # As text, since 1 and 1.0 are equal.
    assert repr(tables.read(path, format, signature, most_rows=most_rows)) == repr(tables.expected(signature, table))
