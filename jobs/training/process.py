"""Starts the limited process, follows what it says, and ends it when it may not go on. Knows no Django."""

import contextlib
import json
import os
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.errors import StepFailed, TrainingKilled
from jobs.training import trainer
from jobs.training.limits import Limits
from jobs.training.sandbox import ROOT
from jobs.training.version import Say

LOOK_S = 0.5
MOST_LINES = 1000
MOST_CHARACTERS = 500
MOST_RESULT_BYTES = 8 * 2**20
MOST_CODE, MOST_DETAIL = 64, 2000
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def run(
    step: str, work: Path, job: Mapping[str, Any], *, limits: Limits, say: Say, check: Callable[[], None]
) -> dict[str, Any]:
    """Have one step done in `work`, and say its result.

    Args:
        step: of `trainer`.
        job: what it needs to know; no secret.
        say: given each line the process prints.
        check: called twice a second; what it raises ends the process.

    Raises:
        TrainingKilled: it used more than it may, or crashed.
        StepFailed: it refused, with its own code.
    """
    said = {**job, "step": step, "limits": asdict(limits), "parent": os.getpid()}
    (work / trainer.JOB).write_text(json.dumps(said))
    process = subprocess.Popen(
        # -P: the folder it works in, where data lies, is no place to import from.
        [sys.executable, "-P", "-m", trainer.__name__],
        cwd=work,
        env=_environment(work),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _follow(process, limits.wall_s, _bounded(say), check)
    finally:
        # Before it is reaped: afterwards its number may belong to somebody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        process.stdout.close()
    return _result(work, code, limits)


def _environment(work: Path) -> dict[str, str]:
    """All that the process gets of an environment: no address, no secret."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(work),
        "JOBLIB_MULTIPROCESSING": "0",
        "TMPDIR": str(work),
        **dict.fromkeys(_THREADS, "1"),
    }


def _follow(process: subprocess.Popen[bytes], wall_s: float, say: Say, check: Callable[[], None]) -> None:
    """Pass on its lines until it ends.

    Raises:
        TrainingKilled: it takes too long.
    """
    look_s = time.monotonic()
    until_s = look_s + wall_s
    pipe, rest = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            over = _ended(process)
            ready = selector.select(0 if over else LOOK_S)
            data = os.read(pipe, 65536) if ready else b""
            # Of a line that does not end only the beginning is kept, which is all that is shown.
            *lines, rest = (rest[: MOST_CHARACTERS * 4] + data).split(b"\n")
            for line in lines:
                say(line.decode(errors="replace"))
            # What it started may hold the pipe open: that it ended itself is what counts.
            if over and not data:
                break
            if ready and not data:
                selector.unregister(pipe)
            # Not for each line of one that says much: it asks Postgres.
            if (now_s := time.monotonic()) >= look_s:
                look_s = now_s + LOOK_S
                check()
            if now_s > until_s:
                raise TrainingKilled("time", f"it took longer than its {wall_s:,.0f} s. {_advice('wall_s')}")
    if rest:
        say(rest.decode(errors="replace"))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it stays unreaped, so that its group keeps its number."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _bounded(say: Say) -> Say:
    """`say`, but for so many lines only, each cut to a length and to what Postgres takes."""
    count = 0

    def bounded(text: str) -> None:
        nonlocal count
        count += 1
        if count == MOST_LINES:
            say("… further lines are left out.")
        if count < MOST_LINES and (shown := text.replace("\x00", "").rstrip()[:MOST_CHARACTERS]):
            say(shown)

    return bounded


def _result(work: Path, code: int, limits: Limits) -> dict[str, Any]:
    """What it wrote, or why it wrote nothing."""
    if code == 0:
        return _read(work / trainer.RESULT)
    if code == 1 and (work / trainer.ERROR).exists():
        error = _read(work / trainer.ERROR)
        if error.get("code") == TrainingKilled.code:
            what, _, detail = _text(error.get("detail"), MOST_DETAIL).partition(": ")
            raise TrainingKilled(what, detail)
        raise StepFailed(_text(error.get("code"), MOST_CODE), _text(error.get("detail"), MOST_DETAIL))
    if code == -signal.SIGXCPU:
        raise TrainingKilled("cpu", f"it used more than its {limits.cpu_s:,} s of processor time. {_advice('cpu_s')}")
    if code == -signal.SIGKILL:
        raise TrainingKilled(
            "memory",
            "the system killed it, mostly for want of memory. Make it need less, or give its machine more.",
        )
    ended = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
    raise TrainingKilled("crash", f"it ended with {ended}. What it said last stands in the log.")


def _advice(limit: str) -> str:
    return f"Make it need less, or raise {limit} in TRAINING_LIMITS."


def _text(said: Any, most: int) -> str:
    """A text it wrote, cut to a length and to what Postgres takes."""
    return str(said).replace("\x00", "").encode(errors="replace").decode()[:most]


def _read(path: Path) -> dict[str, Any]:
    """A JSON object it wrote. What lies there is a stranger's: no links, no pipes, not too long."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError("no plain file")
            said = json.loads(file.read(MOST_RESULT_BYTES))
    except (OSError, ValueError) as error:
        raise StepFailed("training_failed", f"it ended and left no {path.name} that can be read: {error}.") from error
    if not isinstance(said, dict):
        raise StepFailed("training_failed", f"it ended and left a {path.name} that is no object.")
    return said
