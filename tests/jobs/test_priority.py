"""How work that can wait gives way."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import priority

AUTOGROUP = Path("/proc/self/autogroup")
CODE = """
import os, sys
from pathlib import Path
from jobs.priority import give_way
if sys.argv[1] == "child" and (child := os.fork()):
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
give_way(7, turn_ms=20)
print(os.nice(0), Path("/proc/self/autogroup").read_text().split()[-1])
"""
TURNS = """
import threading
from jobs.priority import _Attributes, _SCHED_SETATTR, ctypes, give_way, os
def turn_ns():
    said = _Attributes()
    number = _SCHED_SETATTR[os.uname().machine] + 1  # sched_getattr(2)
    if ctypes.CDLL(None).syscall(number, 0, ctypes.byref(said), ctypes.sizeof(said), 0):
        return 0
    return said.runtime
print(turn_ns())
give_way(7, turn_ms=20)
print(turn_ns())
later = threading.Thread(target=lambda: print(turn_ns()))
later.start()
later.join()
print(os.sched_getscheduler(0), os.nice(0))
"""

needs_autogroups = pytest.mark.skipif(
    not AUTOGROUP.exists() or not re.search(r"nice", AUTOGROUP.read_text()), reason="the kernel has no autogroups"
)


def said(who: str, *, own_session: bool) -> list[int]:
    """The nice values of a process and of its session, after it gave way by 7."""
    argv = [sys.executable, "-c", CODE, who]
    ran = subprocess.run(argv, capture_output=True, text=True, start_new_session=own_session, check=True)
    return [int(word) for word in ran.stdout.split()]


@needs_autogroups
@pytest.mark.parametrize("who", ["first", "child"])
def test_a_process_and_its_session_give_way(who):
    assert said(who, own_session=True) == [os.nice(0) + 7, 7]


@needs_autogroups
def test_a_session_that_others_began_keeps_its_share():
    before = int(AUTOGROUP.read_text().split()[-1])
    # Two generations from the session's first process, whichever that is.
    assert said("child", own_session=False) == [os.nice(0) + 7, before]


def test_turns_are_long_in_threads_to_come_as_well():
    if sys.platform != "linux" or os.uname().machine not in priority._SCHED_SETATTR:
        pytest.skip("turns are chosen on Linux only, on the processors whose number of the call is known")
    ran = subprocess.run([sys.executable, "-c", TURNS], capture_output=True, text=True, check=True)
    usual, own, inherited, policy, nice = map(int, ran.stdout.split())
    if not usual:
        pytest.skip("the kernel lets nobody choose turns: before Linux 6.12")
    assert own == inherited == 20_000_000
    assert (policy, nice) == (os.SCHED_OTHER, os.nice(0) + 7)


def test_a_machine_whose_call_is_unknown_is_no_failure(monkeypatch):
    monkeypatch.setattr(priority, "_SCHED_SETATTR", {})
    priority.give_way(0, turn_ms=20)


def test_a_kernel_without_autogroups_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(priority, "_SCHED_SETATTR", {})  # turns of this process stay as they are
    monkeypatch.setattr(priority, "_AUTOGROUP", tmp_path / "autogroup")
    monkeypatch.setattr(priority.os, "getsid", lambda _: os.getpid())  # as in a session of its own
    priority.give_way(0, turn_ms=20)
    (tmp_path / "autogroup").write_text("")
    priority.give_way(0, turn_ms=20)
