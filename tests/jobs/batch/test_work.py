"""A batch job from its file to its results, on a real Postgres and a real storage, worked on in this process."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from inference.engine.errors import InvalidInput
from inference.models import Endpoint
from jobs.batch import shelf
from jobs.batch import work as batch
from jobs.models import BatchJob, Chunk
from jobs.selectors import batch_progress
from tests.jobs.batch.scene import begun, line, meddle, read
from tests.jobs.orders import order, results

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


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


def test_a_worker_that_ends_leaves_after_the_chunk_it_is_at(flow: Endpoint) -> None:
    job = read(flow, 10)
    asked: list[int] = []
    meddle(job, lambda: asked.append(1))
    assert batch.work(stopping=lambda: bool(asked)) is True
    assert list(job.chunks.values_list("state", flat=True)) == ["done", "waiting", "waiting"]


def test_a_look_ends_in_its_time_and_says_that_there_is_more(flow: Endpoint) -> None:
    job = read(flow, 10)
    assert batch.work(for_s=0) is True
    assert list(job.chunks.values_list("state", flat=True)) == ["done", "waiting", "waiting"]


def test_a_small_job_does_not_wait_for_a_big_ones_end(flow: Endpoint) -> None:
    big, small = read(flow, 12), read(flow, 4)
    order_of = [Chunk.objects.get(pk=begun().id).job_id for _ in range(4)]
    assert order_of == [big.pk, small.pk, big.pk, big.pk]
