"""Frozen data: the same bytes for the same rows, and the same rows held out for everyone."""

import dataclasses
from pathlib import Path

import pytest

from inference.engine.signature import Signature
from jobs.errors import DataInvalid
from jobs.training import datasets, frozen
from jobs.training.datasets import Source
from jobs.training.frozen import BASE, FEEDBACK, Head, Line

SIGNATURE = Signature.from_dict(
    {
        "inputs": [{"name": "flow", "dtype": "float", "nullable": True}, {"name": "kind", "dtype": "string"}],
        "output": {"kind": "classification", "labels": ["well", "due"]},
    }
)


def head(split: str = "random", hold_out: float = 0.25) -> Head:
    """The first line of a file."""
    source = Source(file="rows.csv", target="state", split=split, hold_out=hold_out)
    return Head(signature_digest=SIGNATURE.digest, source=source, files={"data/rows.csv": "0" * 64}, code={})


def lines(base: int = 40, feedback: int = 400) -> list[Line]:
    """Rows of both origins."""
    labels = ("well", "due")
    return [
        *(Line(BASE, (at / 3, "a"), labels[at % 2]) for at in range(base)),
        *(Line(FEEDBACK, (None if at == 7 else at / 7, "ä\n"), labels[at % 3 == 0]) for at in range(feedback)),
    ]


def written(path: Path, said: Head | None = None, rows: list[Line] | None = None) -> frozen.Frozen:
    """A file that was written and read again."""
    frozen.write(path, said or head(), lines() if rows is None else rows)
    return frozen.read(path, SIGNATURE)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    data = written(tmp_path / "data")

    assert list(data.dataset.rows) == [line.row for line in lines()]
    assert list(data.dataset.targets) == [line.target for line in lines()]
    assert (data.base, data.feedback) == (40, 400)
    assert list(frozen.lines(tmp_path / "data")) == lines()


def test_the_same_rows_are_the_same_bytes_and_others_are_not(tmp_path: Path) -> None:
    first, rows = frozen.write(tmp_path / "a", head(), lines())
    again, _ = frozen.write(tmp_path / "b", head(), iter(lines()))
    other, _ = frozen.write(tmp_path / "c", head(), lines(feedback=399))

    assert rows == 440
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert first == again != other


def test_a_file_that_is_not_what_it_was_is_refused(tmp_path: Path) -> None:
    digest, _ = frozen.write(tmp_path / "data", head(), lines())
    assert frozen.read(tmp_path / "data", SIGNATURE, digest=digest).digest == digest
    frozen.write(tmp_path / "data", head(), lines(feedback=10))
    with pytest.raises(DataInvalid, match="not what it was"):
        frozen.read(tmp_path / "data", SIGNATURE, digest=digest)
    (tmp_path / "data").write_bytes((tmp_path / "data").read_bytes()[:-20])
    with pytest.raises(DataInvalid, match="can't be read"):
        frozen.read(tmp_path / "data", SIGNATURE)


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    frozen.write(tmp_path / "data", head(), lines())
    other = Signature(SIGNATURE.inputs[:1], SIGNATURE.output)

    with pytest.raises(DataInvalid, match="other inputs"):
        frozen.read(tmp_path / "data", other)


def test_the_base_data_is_split_as_training_for_git_does_it(tmp_path: Path) -> None:
    data = written(tmp_path / "data")
    split = frozen.split(data, SIGNATURE, seed=7, place="rows")
    base = dataclasses.replace(data.dataset, rows=data.dataset.rows[:40], targets=data.dataset.targets[:40])
    alone = datasets.split(base, SIGNATURE, seed=7, place="rows")

    assert [at for at in split.held_out if at < 40] == alone.held_out
    assert [at for at in split.train if at < 40] == alone.train
    assert sorted([*split.train, *split.held_out]) == list(range(440))


def test_feedback_lies_on_both_sides_and_stays_there_whatever_comes_later(tmp_path: Path) -> None:
    few = written(tmp_path / "few", rows=lines(feedback=200))
    many = written(tmp_path / "many")
    held = {at for at in frozen.split(few, SIGNATURE, seed=1, place="").held_out if at >= 40}
    later = {at for at in frozen.split(many, SIGNATURE, seed=1, place="").held_out if at >= 40}

    assert held == {at for at in later if at < 240}
    assert 60 < len(later) < 140


def test_equal_readings_lie_on_one_side(tmp_path: Path) -> None:
    same = [Line(FEEDBACK, (at / 3, "a"), ("well", "due")[copy % 2]) for at in range(50) for copy in range(4)]
    data = written(tmp_path / "data", rows=[*lines(feedback=0), *same])
    held = {at for at in frozen.split(data, SIGNATURE, seed=1, place="").held_out if at >= 40}

    assert held
    assert len(held) < 200
    assert all(
        {at, at + 1, at + 2, at + 3} <= held or not {at, at + 1, at + 2, at + 3} & held for at in range(40, 240, 4)
    )


def test_where_time_counts_the_latest_of_each_origin_are_held_out(tmp_path: Path) -> None:
    data = written(tmp_path / "data", said=head(split="time"))
    split = frozen.split(data, SIGNATURE, seed=1, place="")

    assert list(split.held_out) == [*range(30, 40), *range(340, 440)]


def test_by_hash_feedback_that_becomes_base_data_stays_on_its_side(tmp_path: Path) -> None:
    told = lines()
    before = written(tmp_path / "before", head("hash"), told)
    after = written(tmp_path / "after", head("hash"), [Line(BASE, line.row, line.target) for line in told[::-1]])

    def held(data: frozen.Frozen, seed: int) -> set[object]:
        return {data.dataset.rows[at] for at in frozen.split(data, SIGNATURE, seed=seed, place="").held_out}

    assert held(before, 1) == held(after, 2)


def test_two_rows_are_the_same_when_a_model_sees_them_so() -> None:
    assert datasets.key((0.1, "a"), "due") == datasets.key((0.1 + 1e-12, "a"), "due")
    assert datasets.key((0.1, "a"), "due") != datasets.key((0.1 + 1e-6, "a"), "due")
    assert datasets.key((0.1, "a"), "due") != datasets.key((0.1, "a"), "well")
    assert datasets.key((1e300,), None) != datasets.key((None,), None)
