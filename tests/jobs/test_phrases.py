"""How far work is, in words."""

import pytest

from jobs.phrases import duration_said, failed_said, progress_said, size_said
from jobs.selectors import Progress


def progress(rows: int | None, done: int = 0, rate: float | None = None, eta: float | None = None, **errors: int):
    """How far a job is; each error by its code."""
    return Progress(rows, done, done - sum(errors.values()), errors, rate, eta, 1, 0)


@pytest.mark.parametrize(
    ("state", "how", "sentence"),
    [
        ("queued", progress(None), "Waits for a worker."),
        ("reading", progress(None), "The input is being read."),
        ("running", progress(1_000_000), "0 of 1,000,000 rows."),
        ("running", progress(9000, 3000, 1500.4, 4.0), "3,000 of 9,000 rows, 1,500 a second, about 4 s left."),
        ("paused", progress(None), "Paused."),
        ("paused", progress(9000, 3000, 1500.0), "Paused, 3,000 of 9,000 rows done."),
        ("done", progress(9000, 9000, 1500.0), "9,000 rows."),
        ("cancelled", progress(9000, 10), "Cancelled, 10 of 9,000 rows done."),
        ("failed", progress(None), "Failed."),
        ("done", progress(0), "No rows."),
    ],
)
def test_progress_is_one_sentence(state, how, sentence):
    assert progress_said(state, how) == sentence


def test_failed_rows_are_counted_over_all_codes():
    assert failed_said(progress(9000, 9000, wrong_type=1200, out_of_range=4)) == "1,204"
    assert failed_said(progress(9000, 9000)) == "-"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5940, "99 min"), (7800, "2 h 10 min")]
)
def test_a_duration_is_said_in_the_unit_that_fits(seconds, words):
    assert duration_said(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(512, "512 B"), (1500, "1.5 kB"), (37_689_983, "38 MB"), (1.2e9, "1.2 GB"), (5e12, "5000 GB")]
)
def test_a_size_is_said_in_the_unit_that_fits(count, words):
    assert size_said(count) == words
