"""`manage.py batch`: from a terminal, or without one, to the results and an exit code."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from inference.models import ControlLog, Endpoint
from jobs.batch import reading, shelf
from jobs.batch import work as batch
from jobs.models import BatchJob
from jobs.services import batch_job_cancel, batch_job_pause
from jobs.workers import sweeper
from tests.jobs.orders import order
from tests.project.children import until

ROOT = Path(__file__).resolve().parents[2]
SHEET = "id,a,b\nx,1,2\ny,hot,4\nz,-5,6\n"


@pytest.fixture
def sheet(flow: Endpoint, tmp_path: Path) -> Path:
    """A file of three rows for `flow`, the second of them bad."""
    path = tmp_path / "night.csv"
    path.write_text(SHEET)
    return path


@pytest.fixture
def working(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker in a thread of this process."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", 2)
    shelf.forget()
    over = threading.Event()

    def work() -> None:
        try:
            sweeper.say_alive("test", ["batch"])
            while not over.wait(0.02):
                batch.work()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()
    shelf.forget()


def said(*words: Any, **options: Any) -> str:
    """What the command writes."""
    out = StringIO()
    call_command("batch", *map(str, words), stdout=out, stderr=out, **options)
    return out.getvalue()


@pytest.mark.usefixtures("working")
def test_a_file_is_answered_and_its_results_written(sheet: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    text = said("flow", sheet, "--carry", "id", "--out", out)
    assert "answered by line-1.0.0" in text
    assert "3 rows in" in text
    assert "2 ok" in text
    assert "wrong_type: 1" in text
    lines = out.read_text().splitlines()
    assert lines[0] == "id,a,b,row,status,value,error,detail"
    assert [line.split(",")[4] for line in lines[1:]] == ["ok", "error", "ok"]
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["night.csv", "results.csv"]
    assert ControlLog.objects.get(action="batch_job.create").actor.startswith("command:batch")


@pytest.mark.usefixtures("working")
def test_results_are_written_as_their_name_ends(sheet: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.ndjson"
    said("flow", sheet, "--carry", "id", "--out", out)
    assert out.read_text().count('"row"') == 3


@pytest.mark.usefixtures("working")
def test_a_job_is_followed_later(sheet: Path, tmp_path: Path) -> None:
    said("flow", sheet, "--carry", "id")
    out = tmp_path / "later.csv"
    assert "3 rows" in said("--follow", BatchJob.objects.get().pk, "--out", out)
    assert out.exists()


@pytest.mark.parametrize(("action", "reason"), [(batch_job_cancel, "cancelled"), (batch_job_pause, "paused")])
def test_a_job_that_goes_no_further_is_a_failure(flow: Endpoint, action: Any, reason: str) -> None:
    job = action(job=order(flow, ["1,2"]), actor="ada")
    with pytest.raises(CommandError, match=reason):
        said("--follow", job.pk)


def test_a_job_that_fails_says_why(flow: Endpoint) -> None:
    job = order(flow, ["1,2"])
    BatchJob.objects.update(state="failed", code="bad_file", detail="Line 3: a quote is never closed.")
    with pytest.raises(CommandError, match="bad_file: Line 3"):
        said("--follow", job.pk)


def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(sheet: Path) -> None:
    with terminal("flow", sheet, "--carry", "id") as run:
        until(lambda: "No worker was heard of" in run.text())
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(30) == 130
        job = BatchJob.objects.get()
        assert job.state == "queued"
        assert f"--follow {job.pk}" in run.text()


@pytest.mark.usefixtures("working")
def test_on_a_terminal_there_is_a_bar(sheet: Path) -> None:
    with terminal("flow", sheet, "--carry", "id") as run:
        # Read all the time: a terminal that nobody reads soon takes no more.
        until(lambda: "2 ok" in run.text())
        assert run.process.wait(60) == 0
    assert "3/3" in run.text()
    assert "1 errors" in run.text()


@pytest.mark.usefixtures("working")
def test_stored_predictions_are_asked_for_by_time() -> None:
    with pytest.raises(CommandError, match="no_rows"):
        said("flow", "--since", "7d", "--answered-by", "line-1.0.0", "--limit", "5")
    job = BatchJob.objects.get()
    assert (job.kind, job.selection["limit"], job.selection["version"]) == ("query", 5, "line-1.0.0")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["flow"], "either a file or --since"),
        (["nosuch", "SHEET"], "no endpoint"),
        (["flow", "SHEET"], "`carry`"),
        (["flow", "SHEET", "--version", "line-9.9.9"], "no version"),
        (["flow", "nowhere.csv"], "can't be read"),
        (["flow", "SHEET", "--out", "results.txt"], "--out must end in"),
        (["flow", "/dev/null"], "Say --format"),
        (["flow", "SHEET", "--since", "1d"], "either a file or --since"),
        (["flow", "--since", "1d", "--limit", "0"], "limit"),
        (["--follow", "nosuch"], "was not found"),
        (["--follow", "019ab3f2-7d10-7c55-9b1e-0f2b6a7c9d11"], "was not found"),
    ],
)
def test_what_cannot_be_asked_is_one_line(sheet: Path, words: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=re.escape(reason)):
        said(*[str(sheet) if word == "SHEET" else word for word in words])
    assert not BatchJob.objects.exists()


class Run:
    """The command on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self._written = b""
        os.set_blocking(screen, False)

    def text(self) -> str:
        """What stands there so far, without colours."""
        try:
            while part := os.read(self._screen, 65536):
                self._written += part
        except OSError:
            pass
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._written.decode(errors="replace"))


class terminal:  # noqa: N801 - used as a function
    """The command as a process of its own, on a terminal; ended with the block."""

    def __init__(self, *words: Any) -> None:
        self._words = list(map(str, words))

    def __enter__(self) -> Run:
        self._screen, inner = pty.openpty()
        environment = {**os.environ, "DATABASE_URL": settings.DATABASE_URL, "COLUMNS": "160", "TERM": "xterm"}
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "batch", *self._words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=inner,
            stderr=inner,
        )
        os.close(inner)
        return Run(self._process, self._screen)

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._screen)
