"""A batch job from its file to its results, on a real Postgres and a real storage, worked on in this process."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from inference.engine.errors import InvalidInput
from inference.models import Endpoint
from jobs import batch, reading, shelf
from jobs.models import BatchJob
from jobs.selectors import batch_progress
from tests.jobs.orders import order, results

State = BatchJob.State


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reading, "CHUNK_ROWS", 4)
    shelf.forget()
    yield
    shelf.forget()


def line(number: int) -> str:
    return f"{number},1"


def test_a_file_becomes_results_in_its_order(flow: Endpoint) -> None:
    job = order(flow, map(line, range(10)))
    assert batch.work() is False

    job.refresh_from_db()
    assert (job.state, job.rows, job.code) == (State.DONE, 10, "")
    assert results(job) == [(number + 1, {"value": number + 1}, None) for number in range(10)]
    assert list(job.chunks.values_list("first_row", "rows", "state", "ok")) == [
        (1, 4, "done", 4),
        (5, 4, "done", 4),
        (9, 2, "done", 2),
    ]
    assert job.started_at < job.finished_at


def test_one_bad_row_never_fails_the_job(flow: Endpoint) -> None:
    """B56"""
    job = order(flow, ["1,1", "x,1", "2,1", "3,1000", "4", "5,1"])
    batch.work()

    job.refresh_from_db()
    assert job.state == State.DONE
    assert [error for _, _, error in results(job)] == [None, "wrong_type", None, "out_of_range", "wrong_shape", None]
    progress = batch_progress(job=job)
    assert (progress.rows, progress.done, progress.ok) == (6, 6, 3)
    assert progress.errors == {"out_of_range": 1, "wrong_shape": 1, "wrong_type": 1}


cell = st.one_of(
    st.floats(-150, 150, width=32).map(lambda number: (repr(number), number)),
    st.sampled_from([("", None), ("x", "x"), ("nan", float("nan")), ("1e999", float("inf")), ('"a\nb"', "a\nb")]),
)


@given(rows=st.lists(st.tuples(cell, cell), min_size=1, max_size=40))
@hypothesis(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_of_rows_gives_each_row_once_with_the_engines_own_answer(
    flow: Endpoint, rows: list[tuple[tuple[str, Any], ...]]
) -> None:
    job = order(flow, [",".join(text for text, _ in row) for row in rows])
    batch.work()

    job.refresh_from_db()
    assert job.state == State.DONE
    model = shelf.loaded(job.version)
    wanted: list[tuple[int, object, str | None]] = []
    for number, row in enumerate(rows, 1):
        try:
            asked = model.signature.row([value for _, value in row])
            wanted.append((number, msgspec.json.decode(model.predict([asked])[0]), None))
        except InvalidInput as refused:
            wanted.append((number, None, refused.code))
    assert results(job) == wanted
