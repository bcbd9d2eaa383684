"""Slices: bins, counts and the bound that orders them."""

import numpy as np
import pytest
from scipy import stats

from jobs.replay.report import Slice
from jobs.replay.slices import MOST_VALUES, Z_95, Z_99, Numbers, Values, edges, interval, leading, wilson


@pytest.mark.parametrize(("count", "rows"), [(0, 1), (1, 1), (0, 40), (3, 40), (20, 40), (40, 40), (1234, 100_000)])
def test_the_interval_is_scipys_wilson_interval(count: int, rows: int) -> None:
    for z, confidence in ((Z_95, 0.95), (Z_99, 0.99)):
        expected = stats.binomtest(count, rows).proportion_ci(confidence, method="wilson")

        assert wilson(count, rows, z) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_rows_there_is_no_rate() -> None:
    assert interval(0, 0).rate is None


def test_bins_hold_about_as_many_rows_each() -> None:
    values = np.random.default_rng(7).exponential(size=10_000)

    counts = np.bincount(np.searchsorted(edges(values), values, side="right"))

    assert counts.tolist() == pytest.approx([1000] * 10, abs=1)


def test_a_few_different_numbers_get_a_bin_each() -> None:
    assert edges(np.array([3.0, 1.0, 1.0, np.nan, 7.0])).tolist() == [3.0, 7.0]


@pytest.mark.parametrize(("sample", "bounds"), [(4.2, (4.2, None)), (np.nan, (0.0, None))])
def test_numbers_that_are_there_always_have_a_bound_and_missing_ones_none(
    sample: float, bounds: tuple[float | None, float | None]
) -> None:
    numbers = Numbers("s1", edges(np.full(100, sample)))
    numbers.add([4.2, 4.2, None], np.ones(3, bool), np.ones(3))

    assert [(one.low, one.high, one.rows) for one in numbers.slices(0.0)] == [(*bounds, 2), (None, None, 1)]


def test_numbers_are_counted_in_their_bins_and_missing_ones_apart() -> None:
    numbers = Numbers("s1", np.array([10.0, 20.0]))
    numbers.add([5, 10.0, 15, None, 25], np.array([0, 1, 1, 1, 0], bool), np.array([0.0, 0.5, 0.3, 1.0, 0.1]))
    numbers.add([-1e9], np.array([False]), np.array([0.0]))

    found = {(one.low, one.high): (one.rows, one.differ, one.mean_absolute) for one in numbers.slices(0.4)}

    assert found == {
        (None, 10.0): (2, 0, 0.0),
        (10.0, 20.0): (2, 2, pytest.approx(0.4)),
        (20.0, None): (1, 0, pytest.approx(0.1)),
        (None, None): (1, 1, 1.0),
    }


def test_values_beyond_the_first_ones_are_left_out() -> None:
    devices = Values("device", "device")
    names = [f"pump-{number}" for number in range(MOST_VALUES + 500)]
    flags, zeros = np.ones(len(names), bool), np.zeros(len(names))

    devices.add(names, flags, zeros)
    devices.add(["pump-3", "pump-10400", None], flags[:3], zeros[:3])

    found = {one.value: one.rows for one in devices.slices(0.0)}
    assert len(found) == MOST_VALUES
    assert found["pump-3"] == 2
    assert "pump-10400" not in found


def slice_of(name: str, differ: int, rows: int) -> Slice:
    values = Values("device", name)
    flags = np.arange(rows) < differ
    values.add([name] * rows, flags, flags.astype(float))
    (one,) = values.slices(0.1)
    return one


def test_a_few_rows_by_chance_do_not_lead() -> None:
    by_chance, sure, usual = slice_of("a", 2, 3), slice_of("b", 300, 1000), slice_of("c", 100, 1000)

    assert by_chance.rate > sure.rate
    assert [one.name for one in leading([usual, by_chance, sure], most=5, least_rows=1)] == ["b", "a", "c"]
    assert [one.name for one in leading([usual, by_chance, sure], most=1, least_rows=30)] == ["b"]
    assert (sure.stands_out, usual.stands_out) == (True, False)


def test_what_agrees_everywhere_has_no_leading_slices() -> None:
    assert leading([slice_of("a", 0, 1000)], most=5, least_rows=1) == []
