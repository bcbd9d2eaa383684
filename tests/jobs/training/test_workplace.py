"""Folders of training processes: gone with their step, or an hour after their worker was killed."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from inference.ids import prediction_id

OLD_S = 3700


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def held(endpoint: Any) -> Any:
    """A lease of a run."""
    from jobs import leases
    from jobs.models import TrainingRun

    run = TrainingRun.objects.create(endpoint=endpoint, algorithm="line", policy="deploy", slot="1")
    return leases.claim(TrainingRun.objects.filter(pk=run.pk))


def made_old(place: Path) -> Path:
    """The folder, made over an hour ago."""
    place.mkdir(exist_ok=True)
    os.utime(place, (time.time() - OLD_S,) * 2)
    return place


def test_a_folder_is_gone_with_its_step(flow: Any) -> None:
    from jobs.training.workplace import workplace

    lease, places = held(flow), []

    def step() -> None:
        with workplace(lease) as place:
            places.append(place)
            (place / "inside").mkdir()
            raise KeyError

    with pytest.raises(KeyError):
        step()
    assert places
    assert not places[0].exists()


def test_what_a_killed_worker_left_goes_after_an_hour(flow: Any, temporary: Path) -> None:
    from jobs.training.workplace import prefix, tidy

    name = f"{prefix()}{prediction_id()}-1-abc"
    young, old, others = temporary / f"{name}d", made_old(temporary / name), made_old(temporary / "others")
    young.mkdir()

    assert tidy() == [old]
    assert (young.exists(), others.exists(), old.exists()) == (True, True, False)


@pytest.mark.parametrize("rest", ["-" * 36 + "-1-abc", "0" * 36 + "-1-abc", "x"])
def test_a_folder_that_names_no_run_is_left_alone(flow: Any, temporary: Path, rest: str) -> None:
    from jobs.training.workplace import prefix, tidy

    other = made_old(temporary / f"{prefix()}{rest}")
    old = made_old(temporary / f"{prefix()}{prediction_id()}-1-abc")

    assert tidy() == [old]
    assert other.exists()


def test_the_folders_of_another_foretell_on_the_machine_are_left_alone(flow: Any, temporary: Path) -> None:
    from jobs.training.workplace import prefix, tidy

    other = made_old(temporary / f"foretell-training-{'0' * 8}-{prediction_id()}-1-abc")
    old = made_old(temporary / f"{prefix()}{prediction_id()}-1-abc")

    assert tidy() == [old]
    assert other.exists()


def test_what_a_worker_is_at_stays_however_old(flow: Any) -> None:
    from jobs.training.workplace import tidy, workplace

    lease = held(flow)
    with workplace(lease) as place:
        made_old(place)
        assert tidy() == []
        lease.release()
        assert tidy() == [place]
