"""`manage.py up`, as a newcomer sees it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from project import probes
from tests.ports import free_port
from tests.project.children import alive, until

pytestmark = pytest.mark.timeout(300)

PARTS = ["postgres", "valkey", "worker", "trainer", "beat", "web", "simulate"]
READY = re.compile(r"Foretell is ready: (http://\S+)/")


class Up:
    """A running `up` in a state folder, and what it has said."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        self.home = home
        self.environment = clean | {"FORETELL_HOME": str(home), "PORT": str(port)} | environment
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, pattern: str) -> str:
        """Read lines until one has the pattern in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return self.lines[-1]
        raise AssertionError("\n".join(["up ended without it:", *self.lines]))

    def said(self, start: str) -> str:
        """The line that starts so."""
        return next(line for line in self.lines if line.startswith(start))

    @property
    def family(self) -> list[int]:
        """The numbers of all processes it has started that run now."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def shell(self, line: str) -> str:
        """Run a line that it printed, as pasted into a terminal."""
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def manage(self, *command: str) -> str:
        """Run a command as from a second terminal."""
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ft-"))
    folder.chmod(0o711)  # the servers of a test run as root run as `nobody`
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def started() -> Iterator[list[Up]]:
    """What a test starts; it is ended whatever happens."""
    ups: list[Up] = []
    yield ups
    for up in ups:
        family = up.family if up.process.poll() is None else []
        up.process.kill()
        up.process.wait()
        up.process.stdout.close()
        until(lambda family=family: not any(alive(pid) for pid in family))


def test_a_newcomer_sees_predictions_and_all_of_it_ends(home, port, started):
    up = Up(home, port)
    started.append(up)
    url = READY.search(up.read_until(READY.pattern)).group(1)
    up.read_until("^Logs: ")

    streamed = [json.loads(line) for line in up.shell(up.said(sys.executable)).splitlines()]
    assert [message["type"] for message in streamed] == ["hello", "prediction"]
    assert streamed[1]["stored"] is True
    asked = json.loads(up.shell(up.said("curl ")))
    assert asked["predictions"][0]["output"] == streamed[1]["output"]

    token = up.manage("key", "create", "reader", "--scope", "predict,read").splitlines()[-1]
    kept = httpx.get(f"{url}/api/v1/predictions/{streamed[1]['id']}", headers={"Authorization": f"Bearer {token}"})
    assert kept.json()["output"] == streamed[1]["output"]
    assert (home / "addresses.json").stat().st_mode & 0o777 == 0o600

    password = re.fullmatch("Admin login: admin / (.+)", up.said("Admin login")).group(1)
    assert signed_in(url, password)
    assert (home / "admin_password").stat().st_mode & 0o777 == 0o600

    family = up.family
    up.process.send_signal(signal.SIGTERM)
    rest = up.process.communicate(timeout=60)[0]
    assert up.process.returncode == 0
    assert re.findall(r"^Ending (\w+)\.$", rest, re.MULTILINE) == list(reversed(PARTS))
    assert not any(alive(pid) for pid in family)
    assert not (home / "addresses.json").exists()


@pytest.mark.fault
def test_parts_that_die_come_back_and_a_killed_up_leaves_nothing(home, port, started):
    up = Up(home, port, DEMO="0")
    started.append(up)
    up.read_until("^Logs: ")
    children = {" ".join(child.cmdline()): child for child in psutil.Process(up.process.pid).children()}
    ends = {
        "celery -A project worker": signal.SIGKILL,
        "postgres -D": signal.SIGKILL,
        "manage.py serve": signal.SIGSEGV,
    }
    for name, number in ends.items():
        next(child for line, child in children.items() if name in line).send_signal(number)
    for _ in ends:
        up.read_until("(worker|postgres|web) died")
    assert "Fatal Python error: Segmentation fault" in (home / "logs" / "web.log").read_text()
    until(lambda: probes.ready(f"http://127.0.0.1:{port}", ()))
    until(lambda: len(json.loads(up.shell(up.said("curl "))).get("predictions", [])) == 1)

    family = up.family
    up.process.kill()
    up.process.communicate()
    until(lambda: not any(alive(pid) for pid in family))

    again = Up(home, port, DEMO="0")
    started.append(again)
    again.read_until("^Logs: ")
    again.process.send_signal(signal.SIGINT)
    again.process.communicate(timeout=60)
    assert again.process.returncode == 0


def test_a_signal_during_the_start_ends_what_was_started(home, port, started):
    up = Up(home, port)
    started.append(up)
    up.read_until("✓ Valkey")
    family = up.family
    assert family
    up.process.send_signal(signal.SIGINT)
    up.process.communicate(timeout=60)
    assert up.process.returncode == 0
    assert not any(alive(pid) for pid in family)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "The Postgres of DATABASE_URL does not let us in: "),
        ({"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, "The Redis of REDIS_URL does not let us in: "),
        ({"HOST": "192.0.2.1"}, "HOST '192.0.2.1' is not an address of this machine: "),
        ({"PORT": "0"}, "PORT must be a whole number from 1 to 65535; it is '0'."),
    ],
)
def test_what_cannot_work_is_told_in_one_line(home, port, started, environment, expected):
    up = Up(home, port, **environment)
    started.append(up)
    lines = up.process.communicate(timeout=60)[0].splitlines()
    assert up.process.returncode == 1
    assert len(lines) == 1
    assert expected in lines[0]
    assert "hunter2" not in lines[0]
    assert not (home / "postgres").exists()


def signed_in(url: str, password: str) -> bool:
    """Whether the admin lets this password in."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=20) as browser:
        page = browser.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text).group(1)
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
        return "logout" in browser.post(page.url, data=form).text
