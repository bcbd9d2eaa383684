"""The limited processes that a worker has started."""

import psutil

from jobs.training import trainer


def trainers(worker: psutil.Process) -> list[psutil.Process]:
    """Those of a worker that live."""
    return [one for one in worker.children() if _trains(one)]


def _trains(process: psutil.Process) -> bool:
    """Whether it is one; of what has just ended, or was not reaped yet, nobody knows."""
    try:
        return trainer.__name__ in process.cmdline()
    except psutil.NoSuchProcess:
        return False
