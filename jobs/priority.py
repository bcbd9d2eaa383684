"""How work that can wait gives way to live traffic on a machine they share. Imports the standard library only."""

import contextlib
import ctypes
import os
import re
import sys
import time
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")
_TRIES, _PAUSE_S = 10, 0.1
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of sched_setattr(2), which libraries of C have had a function for only since glibc 2.41."""


class _Attributes(ctypes.Structure):
    """`struct sched_attr` in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def give_way(nice: int, *, turn_ms: int) -> None:
    """Lower this process's share of the processor, and let whoever asks for shorter turns on a core interrupt it.

    To be called while it has one thread; those that it starts later inherit both.

    Args:
        nice: 1 to 19.
        turn_ms: how long its turns are to be, 1 to 100, where Linux lets one choose (6.12 or newer, sched(7)); the
            usual is 1 to 3. Without, a live reading that finds a core taken may wait for the kernel's next tick, which
            comes every 4 ms or so.

    Where autogroups are on (Linux, outside of containers: sched(7)), the kernel shares the processor out among sessions
    first and a nice value counts within its own session only. A worker and a trainer have a session each, of which they
    or their starter is the first process; its value is set as well. A session that others began is left alone.
    """
    with contextlib.suppress(OSError):
        os.nice(nice)
    if sys.platform == "linux":
        _take_turns(turn_ms)
    if os.getsid(0) in (os.getpid(), os.getppid()):
        with contextlib.suppress(OSError):
            _lower_session(nice)


def _take_turns(turn_ms: int) -> None:
    number = _SCHED_SETATTR.get(os.uname().machine) if sys.maxsize > 2**32 else None
    if number is not None:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        policy = os.sched_getscheduler(0)
        wanted = _Attributes(ctypes.sizeof(_Attributes), policy, nice=nice, runtime=turn_ms * 1_000_000)
        # An older kernel takes no notice; one that refuses leaves all as it was.
        ctypes.CDLL(None).syscall(number, 0, ctypes.byref(wanted), 0)


def _lower_session(nice: int) -> None:
    for _ in range(_TRIES):
        # "/autogroup-25 nice 0"; empty for the first process of a machine, no file where the kernel has no autogroups.
        found = re.search(r"nice (-?\d+)", _AUTOGROUP.read_text())
        if found is None or int(found[1]) >= nice:
            return
        try:
            _AUTOGROUP.write_text(str(nice))
        except BlockingIOError:  # the kernel takes one change a tenth of a second
            time.sleep(_PAUSE_S)
