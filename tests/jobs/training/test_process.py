"""The limited process: what ends it, and how its starter tells what happened."""

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.errors import LeaseLost, StepFailed, TrainingKilled
from jobs.training import process, trainer
from jobs.training.limits import Limits
from tests import boilers
from tests.jobs.training.trainers import trainers

LIMITS = {"memory_bytes": 3 * 2**30, "cpu_s": 60, "wall_s": 500.0, "file_bytes": 2**20}
# What trains gives way to all else: on a busy machine it takes its time.
pytestmark = pytest.mark.timeout(600)
PREPARE = 'prepare = "prepare.py"\nfile = "boilers.csv"'


def prepared(
    tmp_path: Path, body: str, *, check: Any = lambda: None, said: list[str] | None = None, **limits: Any
) -> tuple[dict[str, Any], list[str]]:
    """What comes of reading base data that `body` prepares, and what the process printed."""
    toml = boilers.ENDPOINT.replace('file = "boilers.csv"', PREPARE)
    folder = boilers.write(tmp_path / "artifacts", endpoint=toml)
    (folder / "prepare.py").write_text(f"import os, sys, time\n\n\ndef prepare(table):\n    {body}\n    return table\n")
    work, said = tmp_path / "work", [] if said is None else said
    work.mkdir()
    job = {"endpoint": str(folder), "algorithm": "plain"}
    result = process.run("base", work, job, limits=Limits(**LIMITS | limits), say=said.append, check=check)
    return result, said


def killed(tmp_path: Path, body: str, **limits: Any) -> str:
    """What ended the process; the sentence says which limit may be raised."""
    with pytest.raises(TrainingKilled) as caught:
        prepared(tmp_path, body, **limits)
    for place, name in (("memory", "memory_bytes"), ("cpu", "cpu_s"), ("time", "wall_s"), ("disk", "file_bytes")):
        assert (caught.value.place == place) == (f"raise {name} in TRAINING_LIMITS" in str(caught.value))
    return caught.value.place


def test_what_it_prints_is_passed_on_and_its_result_is_read(tmp_path: Path) -> None:
    result, said = prepared(tmp_path, "print('one\\x00'); print('x' * 9999, flush=True); sys.stderr.write('three')")

    assert result == {"rows": 240}
    assert said == ["one", "x" * process.MOST_CHARACTERS, "three"]
    assert (tmp_path / "work" / trainer.BASE).exists()


def test_too_much_memory_is_told(tmp_path: Path) -> None:
    # Of address space: what it does not fill, the machine need not have.
    assert killed(tmp_path, "import numpy; table = [numpy.empty(2**26) for _ in range(99)]") == "memory"


def test_too_much_processor_time_is_told(tmp_path: Path) -> None:
    assert killed(tmp_path, "while True: pass", cpu_s=3) == "cpu"


def test_too_much_time_is_told(tmp_path: Path) -> None:
    assert killed(tmp_path, "time.sleep(99)", wall_s=2.5) == "time"


def test_too_large_a_file_is_told(tmp_path: Path) -> None:
    assert killed(tmp_path, "open('large', 'wb').write(bytes(2**21))") == "disk"


@pytest.mark.parametrize("body", ["os.abort()", "os._exit(7)", "os.kill(os.getpid(), 11)"])
def test_a_crash_is_told(tmp_path: Path, body: str) -> None:
    assert killed(tmp_path, body) == "crash"


def test_an_error_comes_with_its_own_code(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="`prepare` raised KeyError: 'flue'") as caught:
        prepared(tmp_path, "table['flue']")
    assert caught.value.code == "data_invalid"


def test_where_the_endpoints_code_raised_stands_in_the_log(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(StepFailed):
        prepared(tmp_path, "table['flue']", said=said)
    assert any("prepare.py" in line and "line 5" in line for line in said), said
    assert said[-1] == "KeyError: 'flue'"


def test_what_an_error_says_can_be_stored(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"`prepare` raised ValueError: a\?b") as caught:
        prepared(tmp_path, "raise ValueError('a\\ud800\\x00b')")
    assert "\x00" not in str(caught.value)


def test_however_much_it_says_its_starter_looks_twice_a_second(tmp_path: Path) -> None:
    looks: list[int] = []
    body = "[(print(at, flush=True), time.sleep(0.002)) for at in range(500)]"
    _, said = prepared(tmp_path, body, check=lambda: looks.append(len(looks)))
    assert len(said) == 500
    assert len(looks) < 50


@pytest.mark.parametrize("left", ["os.symlink('/etc/passwd', 'result.json')", "os.mkdir('result.json')", "pass"])
def test_a_result_that_is_none_is_refused(tmp_path: Path, left: str) -> None:
    with pytest.raises(StepFailed, match=r"left no result\.json"):
        prepared(tmp_path, f"{left}; os._exit(0)")


def test_it_ends_with_what_its_starter_raises(tmp_path: Path) -> None:
    pids: list[int] = []

    def check() -> None:
        pids[:] = [one.pid for one in trainers(psutil.Process())]
        if pids:
            raise LeaseLost("training run", 1)

    with pytest.raises(LeaseLost):
        prepared(tmp_path, "time.sleep(99)", check=check)
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_it_knows_no_address_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    _, said = prepared(tmp_path, "print(sorted(os.environ)); print(os.getcwd()); print(os.nice(0))")

    assert "DATABASE_URL" in os.environ
    assert not {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FORETELL_HOME"} & set(eval(said[0]))  # noqa: S307
    assert said[1] == str(tmp_path / "work")
    assert int(said[2]) >= 10


def test_its_lines_are_bounded(tmp_path: Path) -> None:
    _, said = prepared(tmp_path, "print('\\n'.join(map(str, range(200000))))")

    assert len(said) == process.MOST_LINES
    assert said[-1] == "… further lines are left out."
