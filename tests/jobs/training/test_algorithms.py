"""Algorithms as git holds them: what counts as their code, and where the table `[gate]` may stand."""

from pathlib import Path

import pytest

from jobs.errors import AlgorithmInvalid
from jobs.training import algorithms
from tests import boilers

GATE = '\n[gate]\nmetric = "accuracy"\nminimum = 0.9\n'


def sums(folder: Path, params: str) -> str:
    """The sha256 of `params.toml` as an algorithm's code has it."""
    (folder / "plain" / "params.toml").write_text(params)
    return algorithms.read(folder / "plain").code["plain/params.toml"]


def test_the_gate_is_read_and_is_no_part_of_the_code(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    before = algorithms.read(folder / "plain")
    (folder / "plain" / "params.toml").write_text(boilers.PARAMS + GATE)
    after = algorithms.read(folder / "plain")

    assert (before.gate, after.gate) == ({}, {"metric": "accuracy", "minimum": 0.9})
    assert after.code == before.code
    assert after.params == before.params


def test_any_other_change_of_the_params_is_another_code(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    plain = sums(folder, boilers.PARAMS + GATE)

    assert sums(folder, boilers.PARAMS.replace("C = 2.0", "C = 2.5") + GATE) != plain
    assert sums(folder, boilers.PARAMS + "# less is more\n" + GATE) != plain
    assert sums(folder, boilers.PARAMS + GATE + "\nlatency_ms = 5 # it is for people\n\n") == plain


@pytest.mark.parametrize(
    "params",
    [
        "seed = 7\n[gate]\nminimum = 0.9\n[params]\nC = 2.0\n",
        'seed = 7\ngate = { metric = "accuracy" }\n[params]\nC = 2.0\n',
        "seed = 7\n[gate]\nminimum = 0.9\n[params.more]\nC = 2.0\n",
        'seed = 7\n[params]\nC = """\n[gate]\n"""\n[gate]\nminimum = 0.9\n',
    ],
)
def test_a_gate_anywhere_but_at_the_end_is_refused(tmp_path: Path, params: str) -> None:
    folder = boilers.write(tmp_path, params=params)

    with pytest.raises(AlgorithmInvalid, match=r"params\.toml"):
        algorithms.read(folder / "plain")


@pytest.mark.parametrize("listed", ['"xgboost"', "5", "[1]", '[""]'])
def test_distributions_are_a_list_of_names(tmp_path: Path, listed: str) -> None:
    folder = boilers.write(tmp_path, params=f"seed = 7\ndistributions = {listed}\n")

    with pytest.raises(AlgorithmInvalid, match=r"params\.toml: `distributions` is a list of names"):
        algorithms.params(folder / "plain")


def test_a_distribution_that_is_not_installed_is_named(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path, params='seed = 7\ndistributions = ["pytest", "no-such-thing"]\n')

    with pytest.raises(AlgorithmInvalid, match="'no-such-thing', which is not installed here"):
        algorithms.read(folder / "plain")


def test_an_algorithm_without_its_code_is_named(tmp_path: Path) -> None:
    folder = boilers.write(tmp_path)
    assert algorithms.sums(folder / "plain") == algorithms.read(folder / "plain").code
    (folder / "plain" / "algorithm.py").unlink()

    with pytest.raises(AlgorithmInvalid, match=r"boilers/plain/algorithm\.py: can't be read"):
        algorithms.sums(folder / "plain")
