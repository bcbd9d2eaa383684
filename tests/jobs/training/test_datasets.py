"""From a data file to rows and targets."""

import gzip
from pathlib import Path

import pytest

from inference.engine import definition as definitions
from inference.engine.errors import ForetellError
from jobs.errors import DataInvalid
from jobs.training import datasets
from jobs.training.datasets import Dataset
from tests import boilers

HEAD = "flue temperature,starts,serial,fuel,state\n"


def loaded(tmp_path: Path, data: str | None = None, endpoint: str = boilers.ENDPOINT) -> Dataset:
    """The data set of a boiler endpoint."""
    return datasets.load(definitions.read(boilers.write(tmp_path, endpoint=endpoint, data=data)))


def test_texts_become_the_rows_a_device_would_send(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, HEAD + "120.5,7,1152921504606846977,gas,0\n?,8.0,2,,1\n,9,3,peat,1\n")

    assert dataset.rows == [(120.5, 7, 2**60 + 1, "gas"), (None, 8, 2, None), (None, 9, 3, "peat")]
    assert dataset.targets == ["well", "due", "due"]


def test_a_compressed_file_is_read_and_its_own_bytes_are_summed(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path, endpoint=boilers.ENDPOINT.replace("boilers.csv", "boilers.csv.gz"))
    plain = (folder / "data" / "boilers.csv").read_bytes()
    (folder / "data" / "boilers.csv.gz").write_bytes(gzip.compress(plain, mtime=0))
    dataset = datasets.load(definitions.read(folder))

    assert len(dataset.rows) == 240
    assert list(dataset.files) == ["data/boilers.csv.gz"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("500,7,1,gas,0", r"line 3: `flue_c` expects float from 20 to 400 or null; got 500\.0"),
        ("hot,7,1,gas,0", r"line 3: `flue_c` expects float from 20 to 400 or null; got the text hot"),
        ("100,,1,gas,0", "line 3: `starts` must not be null"),
        ("100,7.5,1,gas,0", "line 3: `starts` expects int"),
        ("100,7,1,gas,2", "line 3: 'state' must be one of well, due; it is '2'"),
        ("100,7,1,gas,", "line 3: 'state' must be one of well, due; it is ''"),
    ],
)
def test_a_line_that_can_not_be_used_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(DataInvalid, match=said):
        loaded(tmp_path, f"{HEAD}100,7,1,gas,0\n{line}\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('file = "boilers.csv"', 'file = "kettles.csv"', "can't be read as CSV"),
        ('file = "boilers.csv"', 'file = "../boilers.csv"', "without folders"),
        ('target = "state"', 'target = "fate"', "has no column 'fate'"),
        ('target = "state"', "", "needs the `target` column"),
        ('target = "state"', 'target = "state"\nhold_out = 1.0', "above 0 and below 1"),
        ('target = "state"', 'target = "state"\nsplit = "odd"', r"`\[data\]`"),
        ('target = "state"', 'target = "state"\nprepare = "prepare.py"', "can't be read"),
        ('flue_c = "flue temperature"', 'flue_c = "flue"', "has no column 'flue'"),
    ],
)
def test_a_data_table_that_can_not_be_used_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(DataInvalid, match=said):
        loaded(tmp_path, endpoint=boilers.ENDPOINT.replace(old, new))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="has no rows"):
        loaded(tmp_path, HEAD)


PREPARED = boilers.ENDPOINT.replace('target = "state"', 'target = "state"\nprepare = "prepare.py"')


def prepared(tmp_path: Path, code: str) -> Dataset:
    """The data set after code of the endpoint's own."""
    folder = boilers.write(tmp_path, endpoint=PREPARED)
    (folder / "prepare.py").write_text(code)
    return datasets.load(definitions.read(folder))


def test_prepare_makes_rows_of_anything(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "def prepare(table):\n    return table.assign(starts=1, fuel=None).head(3)")

    assert [row[1] for row in dataset.rows] == [1, 1, 1]
    assert [row[3] for row in dataset.rows] == [None] * 3
    assert list(dataset.code) == ["prepare.py"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def prepare(table): return 1", "must return a DataFrame"),
        ("def prepare(table): raise ValueError('no')", "`prepare` raised ValueError: no"),
        ("x = 1", r"needs a function `prepare\(table\)`"),
        ("1 / 0", "can't be run: ZeroDivisionError"),
    ],
)
def test_prepare_that_can_not_be_used_is_named(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(ForetellError, match=said):
        prepared(tmp_path, code)


def test_a_random_split_keeps_the_labels_shares_and_its_seed(tmp_path: Path) -> None:
    dataset = loaded(tmp_path)
    signature = definitions.read(tmp_path / "boilers").signature
    split = datasets.split(dataset, signature, seed=3, place="x")

    assert sorted([*split.train, *split.held_out]) == list(range(240))
    shares = [sum(dataset.targets[at] == "due" for at in part) / len(part) for part in (split.train, split.held_out)]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)
    assert datasets.split(dataset, signature, seed=3, place="x") == split
    assert datasets.split(dataset, signature, seed=4, place="x") != split


def test_a_split_by_time_holds_out_the_end(tmp_path: Path) -> None:
    endpoint = boilers.ENDPOINT.replace('target = "state"', 'target = "state"\nsplit = "time"\nhold_out = 0.1')
    dataset = loaded(tmp_path, endpoint=endpoint)
    split = datasets.split(dataset, definitions.read(tmp_path / "boilers").signature, seed=3, place="x")

    assert list(split.held_out) == list(range(216, 240))


def test_too_few_rows_of_a_label_are_refused(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, HEAD + "100,7,1,gas,0\n" * 20 + "100,7,1,gas,1\n")

    with pytest.raises(DataInvalid, match="can't be split"):
        datasets.split(dataset, definitions.read(tmp_path / "boilers").signature, seed=3, place="x")


BY_HASH = boilers.ENDPOINT.replace('target = "state"', 'target = "state"\nsplit = "hash"')


def held_out(tmp_path: Path, lines: list[str]) -> tuple[set[str], set[str]]:
    """Of lines without their targets: those that are held out by their hash, and those that are not."""
    dataset = loaded(tmp_path, HEAD + "".join(f"{line}\n" for line in lines), endpoint=BY_HASH)
    split = datasets.split(dataset, definitions.read(tmp_path / "boilers").signature, seed=3, place="x")
    assert sorted([*split.train, *split.held_out]) == list(range(len(lines)))
    shown = [line.rpartition(",")[0] for line in lines]
    return {shown[at] for at in split.held_out}, {shown[at] for at in split.train}


def test_by_hash_a_row_stays_on_its_side_whatever_is_added_or_taken_away(tmp_path: Path) -> None:
    lines = [f"100,{at},{at},gas,{at % 2}" for at in range(300)]
    held, taught = held_out(tmp_path / "a", lines)
    others = [f"200,{at},{at},oil,0" for at in range(200)]
    held_later, taught_later = held_out(tmp_path / "b", [*others, *lines[::-1][:250]])

    assert 30 < len(held) < 90
    assert not held & taught_later
    assert not held_later & taught


def test_by_hash_equal_readings_lie_on_one_side_whatever_is_said_of_them(tmp_path: Path) -> None:
    held, taught = held_out(tmp_path, [f"100,{at},{at},gas,{truth}" for at in range(100) for truth in (0, 1, 1)])

    assert held
    assert not held & taught


def test_too_few_rows_for_their_hash_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="has 2 rows, too few to hold some out by their hash"):
        held_out(tmp_path, ["100,1,1,gas,0"] * 2)


def test_numbers_that_prepare_makes_are_not_cut_off(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"`starts` expects int.*; got 7\.5"):
        prepared(tmp_path, "def prepare(table):\n    return table.assign(starts=7.5)")


def test_what_pandas_calls_missing_is_missing(tmp_path: Path) -> None:
    code = "import pandas as pd\n\n\ndef prepare(table):\n    return table.head(2).assign(starts=[1.0, 2.0], {})"
    given = "fuel=[pd.NA, float('nan')], flue=pd.array([1, None], dtype='Int64') + 100"
    endpoint = PREPARED.replace('"flue temperature"', '"flue"')
    folder = boilers.write(tmp_path, endpoint=endpoint)
    (folder / "prepare.py").write_text(code.format(given))

    assert [(row[0], row[1], row[3]) for row in datasets.load(definitions.read(folder)).rows] == [
        (101.0, 1, None),
        (None, 2, None),
    ]
