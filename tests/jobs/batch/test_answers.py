"""What becomes of a chunk's rows: each is answered once, in order, and a row the model can't answer fails alone."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import loader
from inference.engine.loader import LoadedModel
from inference.engine.signature import Columns
from jobs.batch.answers import SLICE, answers, outcome
from jobs.files import Refusal
from tests.inference import tiny

JOB = uuid.UUID(int=7)
BAD = 13.0


class Picky:
    """A model that answers a + b, and raises when 13 is among the values of a."""

    name = "picky"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def scores(self, columns: Columns) -> Any:
        self.asked.append(columns.n)
        if (columns.matrix[:, 0] == BAD).any():
            raise ValueError("unlucky")
        return columns.matrix.sum(axis=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder: Path = tiny.write_version(tmp_path_factory.mktemp("flow"))
    made = loader.load(folder, digest=tiny.digest_of(folder))
    return LoadedModel(made.manifest, made.digest, made.signature, Picky(), 0.0)


def nothing() -> None:
    """A check that always passes."""


row = st.floats(-100, 100, width=32).map(lambda a: (a, 1.0))
bad = st.just((BAD, 1.0))
refused = st.sampled_from(["wrong_type", "out_of_range"]).map(lambda code: Refusal(code, "why"))


@given(rows=st.lists(st.one_of(row, bad, refused), max_size=1200))
def test_each_row_is_answered_once_and_in_order(model: LoadedModel, rows: list[Any]) -> None:
    answered = answers(model, rows, check=nothing)

    assert len(answered) == len(rows)
    for asked, answer in zip(rows, answered, strict=True):
        if isinstance(asked, Refusal):
            assert answer is asked
        elif asked[0] == BAD:
            assert isinstance(answer, Refusal)
            assert answer.code == "model_error"
        else:
            assert answer == f'{{"value":{float(np.float32(asked[0]) + np.float32(1)) + 0.0:.7g}}}'


def test_good_rows_are_asked_for_in_slices_and_a_bad_one_by_halves(model: LoadedModel) -> None:
    picky = Picky()
    asked = LoadedModel(model.manifest, model.digest, model.signature, picky, 0.0)
    answers(asked, [(1.0, 1.0)] * (2 * SLICE + 1), check=nothing)
    assert picky.asked == [SLICE, SLICE, 1]

    picky.asked.clear()
    answers(asked, [(1.0, 1.0)] * (SLICE - 1) + [(BAD, 1.0)], check=nothing)
    assert len(picky.asked) == 1 + 2 * SLICE.bit_length() - 2


def test_a_lost_lease_ends_the_work_before_the_next_slice(model: LoadedModel) -> None:
    picky = Picky()
    asked = LoadedModel(model.manifest, model.digest, model.signature, picky, 0.0)

    def check() -> None:
        if picky.asked:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        answers(asked, [(1.0, 1.0)] * (3 * SLICE), check=check)
    assert picky.asked == [SLICE]


def test_short_memory_is_no_fault_of_the_rows(model: LoadedModel) -> None:
    class Greedy(Picky):
        def scores(self, columns: Columns) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        answers(LoadedModel(model.manifest, "", model.signature, Greedy(), 0.0), [(1.0, 1.0)] * 3, check=nothing)


def test_results_count_up_to_the_rows() -> None:
    made = outcome(JOB, 101, ['{"value":1}', Refusal("wrong_type", "a"), Refusal("wrong_type", "b"), '{"value":2}'])

    assert (made.ok, made.errors) == (2, {"wrong_type": 2})
    assert [line.split("\t")[1] for line in made.text.splitlines()] == ["101", "102", "103", "104"]


texts = st.text(st.characters(codec=None), max_size=40)


@given(details=st.lists(texts, min_size=1, max_size=20), label=st.text(max_size=20))
def test_no_text_can_break_a_chunk(dsn: str, details: list[str], label: str) -> None:
    """B45, B48: what Postgres can't store is left out, everything else comes back as it was."""
    import msgspec
    import psycopg

    output = msgspec.json.encode({"label": label.replace("\x00", "")}).decode()
    made = outcome(JOB, 1, [output, *(Refusal("wrong_type", detail) for detail in details)])
    with psycopg.connect(dsn) as connection:
        with connection.cursor() as cursor:
            with cursor.copy("COPY jobs_result (job_id, row, output, error, detail) FROM STDIN") as copy:
                copy.write(made.text)
            cursor.execute("SELECT output::text, error, detail FROM jobs_result ORDER BY row")
            (first, *others) = cursor.fetchall()
        connection.rollback()

    assert first == (output, None, None)
    kept = [detail.replace("\x00", "").encode("utf-8", "replace").decode() for detail in details]
    assert others == [(None, "wrong_type", detail) for detail in kept]
