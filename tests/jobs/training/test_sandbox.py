"""What an enclosed process can reach, tried from inside one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

INSIDE = """
import sys, os, socket, subprocess, signal, ctypes, multiprocessing
from pathlib import Path
from jobs.training.sandbox import enclose
missing = enclose(readable=[Path("{readable}")], writable=Path.cwd())
print("missing", missing, flush=True)
try:
    {probe}
except OSError as error:
    print("refused", error.errno, flush=True)
else:
    print("done", flush=True)
"""


def tried(tmp_path: Path, probe: str) -> list[str]:
    """What an enclosed process says that tries something."""
    work, readable = tmp_path / "work", tmp_path / "readable"
    work.mkdir(parents=True)
    readable.mkdir()
    (readable / "data").write_text("for it")
    (tmp_path / "secret").write_text("not for it")
    code = INSIDE.format(probe=probe.format(place=tmp_path), readable=readable)
    # The child is this test's, and it is killed with it: no later than its own 20 s.
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=work,
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=20,
    )
    first, *said = ran.stdout.splitlines()
    if first != "missing []":
        pytest.skip(f"this kernel offers not all of it: {first}")
    return said or [f"ended with {ran.returncode}"]


@pytest.mark.parametrize(
    "probe",
    [
        "socket.create_connection(('127.0.0.1', 9), 1)",
        "socket.socket(socket.AF_UNIX).connect('{place}/server')",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "os.fork()",
        "subprocess.run(['/bin/true'], close_fds=False)",
        "os.execv('/bin/true', ['/bin/true'])",
        "open('{place}/secret')",
        "open('{place}/readable/../secret')",
        "open('{place}/readable/data', 'a')",
        "open('{place}/new', 'w')",
        "open('/proc/%d/environ' % os.getppid())",
        "os.listdir('/home')",
        "os.kill(os.getppid(), 0)",
        "os.mkfifo('pipe') or os.mknod('device', 0o20600, 259)",
    ],
)
def test_what_is_outside_is_refused(tmp_path: Path, probe: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "server"))
        server.listen()
        assert tried(tmp_path, probe)[0].startswith("refused")


@pytest.mark.parametrize(
    "probe",
    [
        "assert open('{place}/readable/data').read() == 'for it'",
        "Path('new').mkdir() or Path('new/file').write_text('its own') and Path('new/file').rename('file')",
        "open('/dev/null', 'w').write('x')",
        "open('/proc/self/status').read()",
        "import threading; thread = threading.Thread(target=print); thread.start(); thread.join()",
        "import decimal, sqlite3",
    ],
)
def test_what_it_needs_is_there(tmp_path: Path, probe: str) -> None:
    assert tried(tmp_path, probe)[-1] == "done"


def test_another_program_is_refused_also_where_there_is_no_landlock(tmp_path: Path) -> None:
    # 1: by the filter of system calls. Landlock says 13.
    assert tried(tmp_path, "os.execv('/bin/true', ['/bin/true'])") == ["refused 1"]


def test_a_state_folder_beside_the_code_is_out_of_reach(tmp_path: Path) -> None:
    assert tried(tmp_path, f"os.listdir('{ROOT}')") == ["refused 13"]
    assert tried(tmp_path / "more", f"open('{ROOT}/manage.py')") == ["refused 13"]
