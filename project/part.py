"""A part: one child process, how it is started and how it is ended. Knows nothing of Django."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LOG_ROTATED_BYTES = 20_000_000
"""A log larger than this is set aside as `<name>.log.1` when its part starts."""

_PR_SET_PDEATHSIG = 1
_SHOWN = 200
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Account:
    """The system user a part runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> "Account":
        """The account of that name in the system's user list."""
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one child process is.

    It gets a session of its own, so that Ctrl-C in the terminal reaches only who started it, and a parent-death
    signal (Linux), so that it ends when its starter is killed. That signal follows the *thread* that starts it:
    start parts from the main thread.

    Args:
        log: its stdout and stderr are appended there.
        env: added to this process's environment.
        stop_signal: asks it to end in good order.
        orphan_signal: sent by the kernel when its starter is gone; `stop_signal` unless given.
        grace_s: how long it may take to end before it is killed.
        account: the user it runs as; this process's own unless given.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    stop_signal: int = signal.SIGTERM
    orphan_signal: int | None = None
    grace_s: float = 10.0
    account: Account | None = None

    def spawn(self, *, piped: bool = False) -> subprocess.Popen[bytes]:
        """Start it.

        Args:
            piped: its stdout goes to the starter through a pipe instead of to the log.

        Raises:
            OSError: the program can't be run, or its log not be written.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_ROTATED_BYTES:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        account = self.account
        identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                start_new_session=True,
                preexec_fn=self._before_exec(),
                **identity,
            )

    def _before_exec(self) -> Callable[[], None]:
        die = dies_with_parent(self.orphan_signal or self.stop_signal)

        def arrange() -> None:
            # What the starter ignores would stay ignored over exec: a part of a `nohup`ed start could not be stopped.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            die()

        return arrange

    def log_tail(self, lines: int = 3) -> str:
        """The last lines of its log as one text, for an error message; long ones are cut."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return " | ".join(line.strip()[:_SHOWN] for line in text.splitlines()[-lines:] if line.strip())


def dies_with_parent(signal_number: int, parent: int | None = None) -> Callable[[], None]:
    """What a new child calls before its program, so that the kernel signals it when its parent thread ends.

    On other systems than Linux it does nothing.

    Args:
        parent: the process number of the parent; this process unless given.
    """
    parent = parent or os.getpid()

    def arrange() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
            if os.getppid() != parent:  # it was killed before this took effect
                os._exit(1)

    return arrange


def signal_group(process: subprocess.Popen[bytes], signal_number: int) -> None:
    """Signal the process and what it started in its session, if any of it is left.

    Call it before the process is reaped: afterwards its number may belong to someone else.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_number)


def end(process: subprocess.Popen[bytes], part: Part) -> int:
    """End a part: its stop signal, its grace, then SIGKILL to it and to what it started.

    Returns:
        its exit code, negative for a signal.
    """
    if process.returncode is not None:
        return process.returncode
    process.send_signal(part.stop_signal)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(part.grace_s)
    signal_group(process, signal.SIGKILL)
    return process.wait()
