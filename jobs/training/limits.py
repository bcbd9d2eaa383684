"""How much a training process may use, and how it binds itself to that. Imports the standard library only."""

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass

from jobs.priority import give_way

_PR_SET_PDEATHSIG = 1
_NICE = 10
_TURN_MS = 100
_GRACE_S = 5
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one training process may use.

    Attributes:
        memory_bytes: of address space, which is more than what it really fills.
        cpu_s: processor time, over all its threads.
        wall_s: time by the clock; its starter ends it then.
        file_bytes: the largest file it may write.
    """

    memory_bytes: int
    cpu_s: int
    wall_s: float
    file_bytes: int


def bind(limits: Limits, *, parent: int) -> list[str]:
    """Bind this process to its limits, for good, and its end to its starter's.

    Args:
        parent: the process number of its starter.

    Returns:
        What could not be done on this machine, a line each.
    """
    missing = _die_with(parent)
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    # The soft limit sends SIGXCPU, which tells its starter what happened; the hard one is for who ignores that.
    _limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + _GRACE_S)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    give_way(_NICE, turn_ms=_TURN_MS)
    return missing


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, but never above one that is there already."""
    _, there = resource.getrlimit(kind)
    hard = soft if hard is None else hard
    if there != resource.RLIM_INFINITY:
        soft, hard = min(soft, there), min(hard, there)
    resource.setrlimit(kind, (soft, hard))


def _die_with(parent: int) -> list[str]:
    """Have the kernel kill this process when its starter ends."""
    if _libc is None:
        return ["its end: it does not end by itself when its worker is killed, since this is not Linux"]
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was killed before this took effect
        os._exit(1)
    return []
