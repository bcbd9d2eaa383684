"""COPY lines."""

import datetime
import json
import uuid

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import ids
from inference.recorder.lines import COPY, line, line_head, line_of

# What Postgres can't hold in a text: NUL. What Python can't encode: lone surrogates.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
CONSTANT = {"endpoint_id": 1, "version_id": 2, "device_id": 3, "credential_id": None, "source": 1}


def stored(connection: psycopg.Connection, lines: str, columns: str) -> list[tuple]:
    """The rows that COPY makes of lines, in their order; nothing stays."""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.write(lines.encode())
        return cursor.execute(f"SELECT {columns} FROM inference_prediction ORDER BY id").fetchall()


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=20))
def test_any_text_comes_back_as_it_was(dsn: str, texts: list[tuple[str, str, str]]) -> None:
    head = line_head(**CONSTANT, request_id=str(uuid.uuid4()))
    lines = "".join(
        line_of(
            head,
            ids.prediction_id(),
            json.dumps([first], ensure_ascii=False),
            json.dumps({second: third}),
            error=first,
            client_id=second,
            subject=third,
            warnings_json=json.dumps([third], indent="\t"),
        )
        for first, second, third in texts
    )

    with psycopg.connect(dsn) as connection:
        rows = stored(connection, lines, "features, output, error, client_id, subject, warnings")

    expected = [([first], {second: third}, first, second, third, [third]) for first, second, third in texts]
    assert rows == expected


def test_a_line_without_optional_values_has_nulls(dsn: str) -> None:
    made = line(**CONSTANT, id=ids.prediction_id(), request_id=str(uuid.uuid4()), features_json="[]", output_json=None)

    with psycopg.connect(dsn) as connection:
        rows = stored(connection, made, "stream_id, output, error, warnings, seq, client_id, subject, device_time")

    assert rows == [(None,) * 8]


def test_a_whole_line_holds_each_value_in_its_column(dsn: str) -> None:
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    request_id = uuid.uuid4()
    made = line(
        id=ids.prediction_id(),
        endpoint_id=1,
        version_id=2,
        device_id=3,
        credential_id=4,
        source=5,
        request_id=str(request_id),
        stream_id=6,
        features_json="[1]",
        output_json="[2]",
        error="e",
        warnings_json="[3]",
        seq=7,
        client_id="c",
        subject="s",
        device_time=at,
    )

    columns = (
        "endpoint_id, version_id, device_id, credential_id, source, request_id, stream_id, features, output, error,"
        " warnings, seq, client_id, subject, device_time"
    )
    with psycopg.connect(dsn) as connection:
        rows = stored(connection, made, columns)

    assert rows == [(1, 2, 3, 4, 5, request_id, 6, [1], [2], "e", [3], 7, "c", "s", at)]
