"""The Celery processes of a stack: workers, trainers and beats, as many as a test wants. None runs unless asked for."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from project.part import Part, end

if TYPE_CHECKING:
    from tests.faults.stack import Stack

CELERY = (sys.executable, "-m", "celery", "-A", "project")
WORKER = ("worker", "--concurrency=1", "--without-mingle", "--without-gossip")
GRACE_S = 20
POLL_S = 0.05


class Hand:
    """One Celery process with the children of its pool. It is signalled by its number, and they by theirs."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._known: dict[int, psutil.Process] = {}
        self._pool: set[int] = set()

    @property
    def name(self) -> str:
        """Its name in its stack: `worker1`."""
        return self.part.name

    @property
    def pid(self) -> int:
        """The number of its main process."""
        assert self.process is not None
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Whether its main process is over, or was never started."""
        return self.process is None or self.process.poll() is not None

    @property
    def children(self) -> list[psutil.Process]:
        """The processes below its main process, of every depth."""
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.pid)
            found = main.children(recursive=True)
            self._pool |= {child.pid for child in main.children()}
            self._known |= {child.pid: child for child in found}
            return found
        return []

    def log(self) -> str:
        """What it wrote so far."""
        return self.part.log.read_text(errors="replace") if self.part.log.exists() else ""

    def start(self) -> "Hand":
        """Start it; only from the main thread, since it ends with the thread that started it."""
        self.starts += 1
        self.process = self.part.spawn()
        return self

    def kill(self) -> None:
        """SIGKILL to the main process alone; its children are left to notice."""
        assert self.process is not None
        _ = self.children
        self.process.kill()
        self.process.wait()

    @property
    def left(self) -> list[psutil.Process]:
        """What was below its main process and still runs."""
        return [child for child in self._known.values() if _runs(child)]

    def kill_children(self, *, of_children: bool = True) -> int:
        """SIGKILL to the processes of its pool; how many there were.

        Args:
            of_children: to what they have started too.
        """
        _ = self.children
        children = [child for child in self.left if of_children or child.pid in self._pool]
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        return len(children)

    def freeze(self) -> None:
        """SIGSTOP to all of it, children first: what runs the main process can't start more of them then."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to all of it."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in good order, and whatever it left behind without any."""
        if self.process is not None:
            self._signal(signal.SIGCONT)
            end(self.process, self.part)
        for child in self._known.values():
            # A number that belongs to another process by now is told by its start.
            with suppress(psutil.NoSuchProcess):
                if child.is_running():
                    child.send_signal(signal.SIGCONT)
                    child.kill()
        self.process = None

    def _signal(self, number: int) -> None:
        _ = self.children
        for process in [*self._known.values(), *([] if self.ended else [psutil.Process(self.pid)])]:
            with suppress(psutil.NoSuchProcess):
                if process.is_running():
                    process.send_signal(number)


def _runs(process: psutil.Process) -> bool:
    """Whether it does anything still. Where nobody reaps orphans, they stay as zombies."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Crew:
    """The hands of one stack."""

    def __init__(self, stack: "Stack") -> None:
        self._stack = stack
        self.hands: list[Hand] = []

    def worker(self, queues: str = "online,batch", **environment: str) -> Hand:
        """Start a worker of those queues, with `environment` added to the stack's."""
        number = sum(hand.name.startswith("worker") for hand in self.hands) + 1
        name = f"worker{number}"
        return self._start(name, (*WORKER, "-Q", queues, "-n", f"{name}@stack"), environment)

    def trainer(self, **environment: str) -> Hand:
        """Start a worker that only trains."""
        return self.worker("training", **environment)

    def beat(self, **environment: str) -> Hand:
        """Start a beat; a second one knows nothing of the first."""
        number = sum(hand.name.startswith("beat") for hand in self.hands) + 1
        return self._start(f"beat{number}", ("beat", "--pidfile="), environment)

    def wait_ready(self, hands: Sequence[Hand] = (), timeout_s: float = 60) -> None:
        """Return when each worker among the hands takes messages, all of the crew's if none is named."""
        for hand in hands or [hand for hand in self.hands if hand.name.startswith("worker")]:
            until = time.monotonic() + timeout_s
            while hand.log().count(f"{hand.name}@stack ready") < hand.starts:
                assert not hand.ended, f"{hand.name} ended before it was ready:\n{hand.log()[-3000:]}"
                assert time.monotonic() < until, f"{hand.name} is not ready:\n{hand.log()[-3000:]}"
                # Only its log says so, and that has to be asked again and again.
                time.sleep(POLL_S)

    def tend(self) -> int:
        """Start again what ended by itself, as a supervisor does; how many that were."""
        ended = [hand for hand in self.hands if hand.ended]
        for hand in ended:
            hand.start()
        return len(ended)

    def dismiss(self) -> None:
        """End all hands."""
        for hand in self.hands:
            hand.thaw()
        for hand in self.hands:
            if hand.process is not None and not hand.ended:
                hand.process.send_signal(hand.part.stop_signal)
        for hand in self.hands:
            hand.stop()
        self.hands.clear()

    def _start(self, name: str, words: Sequence[str], environment: dict[str, str]) -> Hand:
        stack = self._stack
        part = Part(
            name=name,
            argv=(*CELERY, *words),
            log=Path(stack.home / "logs" / f"{name}.log"),
            env=stack.environment | {"PYTHONUNBUFFERED": "1"} | environment,
            cwd=stack.tree,
            orphan_signal=signal.SIGKILL,
            grace_s=GRACE_S,
        )
        part.log.unlink(missing_ok=True)
        hand = Hand(part)
        self.hands.append(hand)
        return hand.start()
