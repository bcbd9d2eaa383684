"""What a training process may use, and how it binds itself to that. Imports the standard library only.

A process binds itself first thing, before any library has started a thread: the kernel gives a namespace of its own
only to a process with one thread. What the kernel refuses is said, not hidden.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_NICE = 15
_GRACE_S = 5
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one training process may use.

    Attributes:
        memory_bytes: of address space, which is more than what it really fills.
        cpu_s: processor time, over all its threads.
        wall_s: time by the clock; its starter ends it then.
        file_bytes: the largest file it may write.
        processes: how many processes and threads its user may have, where it has a user space of its own.
    """

    memory_bytes: int = 4 * 2**30
    cpu_s: int = 1800
    wall_s: int = 2700
    file_bytes: int = 2 * 2**30
    processes: int = 64


def bind(limits: Limits, *, parent: int) -> list[str]:
    """Bind this process, and what it starts, to its limits; it can't take them off again.

    Args:
        parent: the process number of who started it, and whose end shall be its own.

    Returns:
        What could not be done on this machine, a line each.
    """
    missing = [*_die_with(parent), *_alone()]
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    # The soft limit sends SIGXCPU, which tells its starter what happened; the hard one is for who ignores that.
    _limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + _GRACE_S)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    if not any("user space" in line for line in missing):
        _limit(resource.RLIMIT_NPROC, limits.processes)
    os.nice(_NICE)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
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
        return ["it does not end by itself when its worker is killed: this is not Linux"]
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it was killed before this took effect
        os._exit(1)
    return []


def _alone() -> list[str]:
    """Take this process off the network, and give it a user space where processes can be counted."""
    if _libc is None:
        return ["it can reach the network, and has no user space of its own: this is not Linux"]
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        return []
    reason = os.strerror(ctypes.get_errno())
    missing = [f"it has no user space of its own: the kernel says {reason!r}"]
    if _libc.unshare(_CLONE_NEWNET) != 0:
        missing.append(f"it can reach the network: the kernel says {os.strerror(ctypes.get_errno())!r}")
    return missing
