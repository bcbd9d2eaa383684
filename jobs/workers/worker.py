"""What a worker does besides its tasks: it steps back behind live traffic, looks around, and stops between chunks.

The main process runs the sweeper's thread; the processes that work learn from it that the worker is to end.
"""

import mmap
import os
import threading
from typing import Any

import structlog
from celery.signals import celeryd_after_setup, worker_process_init, worker_ready, worker_shutdown, worker_shutting_down
from django.db import InterfaceError, OperationalError, connection

from jobs.priority import give_way
from jobs.services import schedules_look
from jobs.workers import sweeper, watchdog
from jobs.workers.watchdog import Watchdog

NICENESS, TURN_MS = 10, 20
"""Live predictions come first: what takes minutes may take some more. A training's turns are longer still, so that
chunks, which wait for Postgres again and again, come before it too."""

logger = structlog.get_logger(__name__)
# Shared memory, made before the main process forks: a flag that all of its children see.
_flag = mmap.mmap(-1, 1)
_MAIN = os.getpid()


def stopping() -> bool:
    """Whether this worker is to end: finish what is begun, take nothing more."""
    return _flag[0] != 0


class Rounds:
    """The thread of a worker's main process that sweeps every `sweeper.EVERY_S`."""

    def __init__(self, name: str, queues: list[str], watched: Watchdog) -> None:
        self._name = name
        self._queues = queues
        self._watched = watched
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._over.set()
        self._thread.join(sweeper.EVERY_S)

    def _run(self) -> None:
        while True:
            self._round()
            if self._over.wait(sweeper.EVERY_S):
                return

    def _round(self) -> None:
        """One round of all there is to do; what fails does not keep the rest from being done."""
        # Schedules by Postgres's clock: they are kept also while beat is dead, or its clock is wrong.
        steps = (self._watched.look, self._say_alive, sweeper.sweep, schedules_look)
        try:
            for step in steps:
                try:
                    step()
                except (OperationalError, InterfaceError) as error:
                    logger.warning("a worker's round waits for Postgres", reason=str(error).strip())
                    return
                except Exception:
                    logger.exception("a part of a worker's round failed; it is tried again in the next one")
        finally:
            # Not kept: a child that is forked meanwhile would share it.
            connection.close()

    def _say_alive(self) -> None:
        sweeper.say_alive(self._name, self._queues)


_rounds: list[Rounds] = []


@celeryd_after_setup.connect
def _open_own_queue(sender: str, instance: Any, **_: Any) -> None:
    instance.app.amqp.queues.select_add(watchdog.own_queue(sender))


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    _flag[0] = 0
    queues = sorted(name for name in sender.app.amqp.queues.consume_from if not name.endswith(watchdog.OWN_QUEUE))
    watched = Watchdog(sender.app, sender.hostname, watchdog.end_worker)
    watchdog.listen(watched)
    _rounds.append(Rounds(sender.hostname, queues, watched))
    _rounds[-1].start()


@worker_shutting_down.connect
def _wind_down(**_: Any) -> None:
    _flag[0] = 1


@worker_shutdown.connect
def _end(**_: Any) -> None:
    while _rounds:
        _rounds.pop().stop()


@worker_process_init.connect
def _step_back(**_: Any) -> None:
    # A worker without a pool sends this in its main process, which would not come back.
    if os.getpid() != _MAIN:
        give_way(NICENESS, turn_ms=TURN_MS)
    # One core a process: scikit-learn's own threads would take the others from live traffic.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
