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
give_way(7)
print(os.nice(0), Path("/proc/self/autogroup").read_text().split()[-1])
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


def test_a_kernel_without_autogroups_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(priority, "_AUTOGROUP", tmp_path / "autogroup")
    monkeypatch.setattr(priority.os, "getsid", lambda _: os.getpid())  # as in a session of its own
    priority.give_way(0)
    (tmp_path / "autogroup").write_text("")
    priority.give_way(0)
