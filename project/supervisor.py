"""Runs parts: starts them in order, restarts those that die, ends all of them in reverse. Knows nothing of Django.

One thread, no locks: everything happens in the caller's thread, between waits that a signal or a child's end cuts
short. That thread must be the main one, since signals and parent-death signals are bound to it.
"""

import math
import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Self

from project.part import Part, signal_group

DEATHS = 5
"""A part that dies so often in a row without getting ready in between is given up."""

PROVEN_S = 5.0
"""A part that can't be asked whether it is ready counts as ready when it has run so long."""

FIRST_DELAY_S = 0.25
LAST_DELAY_S = 2.0
WINDOW_S = 60.0
"""A part that died is started again after the first delay, doubled for each death in the window, up to the last one."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked to stop."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(f"Stopped by {signal.Signals(signal_number).name}.")


class PartFailed(Exception):
    """A part does not run, and all must end; the sentence names it and its log."""


@dataclass(slots=True)
class _Running:
    """A part and how it is doing. `process` is None while it waits to be started again at `restart_at`."""

    part: Part
    before: Callable[[], None]
    ready: Callable[[], bool] | None
    vital: bool
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    proven: bool = False
    deaths: deque[float] = field(default_factory=deque)
    failed_starts: int = 0

    def spawn(self) -> None:
        self.before()
        self.started_at = time.monotonic()
        self.proven = False
        try:
            self.process = self.part.spawn()
        except OSError as error:
            raise PartFailed(f"{self.part.name} can't be started: {error}.") from error

    def is_ready(self) -> bool:
        """Whether it is ready; one that can't be asked is when it has run for a while."""
        if not self.proven:
            self.proven = self.ready() if self.ready else time.monotonic() - self.started_at > PROVEN_S
            if self.proven:
                self.failed_starts = 0
        return self.proven

    def delay_s(self) -> float:
        """How long to wait after a death that has just happened."""
        now = time.monotonic()
        while self.deaths and self.deaths[0] < now - WINDOW_S:
            self.deaths.popleft()
        self.deaths.append(now)
        return min(LAST_DELAY_S, FIRST_DELAY_S * 2 ** (len(self.deaths) - 1))

    def ended(self) -> int | None:
        """Its exit code once it has ended; what it had started in its session is then gone, too."""
        process = self.process
        if process is None or process.returncode is not None:
            return process.returncode if process else None
        if not hasattr(os, "waitid"):
            return process.poll()
        # Looked at before it is reaped: its group's number is safe to signal only until then.
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        signal_group(process, signal.SIGKILL)
        return process.wait()


class Supervisor:
    """A context: entered it listens to signals, left it has ended every part it started, whatever happened.

    Args:
        report: told one sentence when a part dies, is started again, or is being ended.
        tick: called at least ten times a second while it waits for a part to become ready.
    """

    def __init__(self, *, report: Callable[[str], None], tick: Callable[[], None] = lambda: None) -> None:
        self._report = report
        self._tick = tick
        self._parts: list[_Running] = []
        self._received: list[int] = []
        self._handlers: dict[int, object] = {}
        self._stopping = False
        self._impatient = False

    def __enter__(self) -> Self:
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            # Started by `nohup`, it outlives its terminal; a shell's background job still hears SIGINT.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end_all()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            signal.set_wakeup_fd(self._old_wakeup)
            os.close(self._wake_read)
            os.close(self._wake_write)

    def start(
        self,
        part: Part,
        *,
        ready: Callable[[], bool] | None = None,
        before: Callable[[], None] = lambda: None,
        vital: bool = True,
        timeout_s: float = 60.0,
    ) -> None:
        """Start a part and wait until it is ready; from then on it is kept running.

        Args:
            ready: asked again and again, also after a later start; may take a second. Nothing is waited for without it.
            before: called before each start, also before a later one.
            vital: the others can't do without it. One that is not vital may end by itself (exit code 0), and is left
                alone when it keeps dying.

        Raises:
            PartFailed: it ended before it was ready, or is not ready in time.
            Stopped: a signal came.
        """
        running = _Running(part, before, ready, vital)
        running.spawn()
        self._parts.append(running)
        deadline = time.monotonic() + timeout_s
        while ready is not None and not running.is_ready():
            if (code := running.ended()) is not None:
                raise PartFailed(f"{part.name} ended ({_said(code)}) while it was starting: {_log(part)}")
            if time.monotonic() > deadline:
                raise PartFailed(f"{part.name} is not ready after {timeout_s:.0f} s: {_log(part)}")
            self._wait(0.05)
            self._tend(but=running)

    def run(self, part: Part, on_line: Callable[[bytes], None], *, timeout_s: float = 300.0) -> None:
        """Run a part to its end, and hand over each line of its stdout as it comes.

        Raises:
            PartFailed: it ended with another code than 0, or not in time.
            Stopped: a signal came.
        """
        running = _Running(part, lambda: None, ready=None, vital=True)
        running.process = part.spawn(piped=True)
        self._parts.append(running)
        output = running.process.stdout
        assert output is not None
        os.set_blocking(output.fileno(), False)
        deadline = time.monotonic() + timeout_s
        with output:
            rest = b""
            while (code := running.ended()) is None:
                self._wait(0.1, output.fileno())
                self._tend(but=running)
                *lines, rest = (rest + (output.read() or b"")).split(b"\n")
                for line in lines:
                    on_line(line)
                if time.monotonic() > deadline:
                    raise PartFailed(f"{part.name} has not ended after {timeout_s:.0f} s: {_log(part)}")
            for line in (rest + (output.read() or b"")).splitlines():
                on_line(line)
        self._parts.remove(running)
        if code != 0:
            raise PartFailed(f"{part.name} ended ({_said(code)}): {_log(part)}")

    def watch(self) -> None:
        """Keep all parts running until a signal comes or one of them can't be kept.

        Raises:
            PartFailed: a vital part died again and again before it was ready.
            Stopped: a signal came.
        """
        while True:
            due = [running.restart_at - time.monotonic() for running in self._parts if running.process is None]
            asking = any(running.process and not running.proven for running in self._parts)
            self._wait(max(0.0, min([*due, 0.25 if asking else 1.0])))
            self._tend()

    def _tend(self, but: _Running | None = None) -> None:
        """Notice deaths, and start again what is due."""
        for running in self._parts:
            if running is but:
                continue
            if (code := running.ended()) is not None:
                self._mourn(running, code)
            if running.process is None and time.monotonic() >= running.restart_at:
                running.spawn()
            elif running.process is not None:
                running.is_ready()

    def _mourn(self, running: _Running, code: int) -> None:
        """Decide what follows a death."""
        part = running.part
        running.process = None
        running.failed_starts += not running.proven
        given_up = running.failed_starts >= DEATHS
        if given_up and running.vital:
            raise PartFailed(f"{part.name} keeps dying, last with {_said(code)}: {_log(part)}")
        if given_up or (code == 0 and not running.vital):
            running.restart_at = math.inf
            self._say(f"{part.name} has ended ({_said(code)}) and is not started again. Log: {part.log}")
            return
        delay_s = running.delay_s()
        running.restart_at = time.monotonic() + delay_s
        self._say(f"{part.name} died ({_said(code)}); it is started again in {delay_s:g} s. Log: {part.log}")

    def _end_all(self) -> None:
        """End what runs, last started first, each by its signal, its grace, then SIGKILL."""
        self._stopping = True
        for running in reversed(self._parts):
            process = running.process
            if process is None or running.ended() is not None:
                continue
            self._say(f"Ending {running.part.name}.")
            process.send_signal(running.part.stop_signal)
            deadline = time.monotonic() + running.part.grace_s
            while running.ended() is None:
                if self._impatient or time.monotonic() > deadline:
                    signal_group(process, signal.SIGKILL)
                self._wait(0.1)
        self._parts.clear()

    def _say(self, sentence: str) -> None:
        # The terminal may be gone, which is no reason to leave children behind.
        with suppress(OSError):
            self._report(sentence)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        self._received.append(number)
        # Ctrl-C again means: at once. Not SIGTERM again, which process managers may send to a whole group.
        self._impatient |= self._stopping and number == signal.SIGINT

    def _wait(self, timeout_s: float, also: int | None = None) -> None:
        """Wait for a signal, a child's end, or something to read from `also`."""
        if not self._stopping:
            self._tick()
        if self._received and not self._stopping:
            raise Stopped(self._received[0])
        select.select([self._wake_read] if also is None else [self._wake_read, also], [], [], timeout_s)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        if self._received and not self._stopping:
            raise Stopped(self._received[0])


def _said(code: int) -> str:
    """An exit code in words."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _log(part: Part) -> str:
    """The end of a part's log, and where the rest is."""
    return f"{part.log_tail() or 'its log is empty'} (log: {part.log})"
