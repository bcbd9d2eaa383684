"""How work that can wait gives way to live traffic on a machine they share. Imports the standard library only."""

import contextlib
import os
import re
import time
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")
_TRIES, _PAUSE_S = 10, 0.1


def give_way(nice: int) -> None:
    """Lower this process's share of the processor by `nice`, 1 to 19.

    Where autogroups are on (Linux, outside of containers: sched(7)), the kernel shares the processor out among sessions
    first and a nice value counts within its own session only. A worker and a trainer have a session each, of which they
    or their starter is the first process; its value is set as well. A session that others began is left alone.
    """
    with contextlib.suppress(OSError):
        os.nice(nice)
    if os.getsid(0) in (os.getpid(), os.getppid()):
        with contextlib.suppress(OSError):
            _lower_session(nice)


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
