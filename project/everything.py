"""All of Foretell on one machine: which parts there are, in which order they start, what is told about them."""

import json
import shlex
import signal
import sys
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from project import probes
from project.env import BASE_DIR, Environment
from project.home import Home, HomeError
from project.part import Part
from project.progress import Progress
from project.quarters import EmbeddedError, Quarters
from project.server import SHUTDOWN_S, AddressError, listener
from project.supervisor import PartFailed, Supervisor

NEEDED_BYTES = 500_000_000
"""What the disk of the state folder must have left at the start."""

FULL_BYTES = 20_000_000
"""With less than this left, Postgres soon stores nothing any more."""


_CELERY = (sys.executable, "-m", "celery", "-A", "project")


class CannotRun(Exception):
    """Foretell can't run, or not any longer; the sentence says why."""


class Everything:
    """What `up` runs.

    Args:
        environment: what the environment says.
        console: where the progress and the addresses are shown.
    """

    def __init__(self, environment: Environment, console: Console) -> None:
        self._environment = environment
        self._console = console
        self._home = Home(environment.home)
        self._progress = Progress(console)
        self._addresses = {"database_url": environment.database_url, "redis_url": environment.redis_url}
        self._result: dict[str, Any] = {}
        self._full = False

    def run(self) -> None:
        """Start all parts and keep them running.

        Raises:
            Stopped: a signal came; everything has ended.
            CannotRun: something failed for good; everything has ended.
        """
        try:
            with ExitStack() as stack:
                self._home.hold()
                stack.callback(self._home.release)
                stack.callback(Quarters(self._home.path).leave)
                stack.callback(self._home.withdraw)
                self._check()
                supervisor = stack.enter_context(Supervisor(report=self._say, tick=self._tick))
                with self._progress:
                    self._start(supervisor)
                self._welcome()
                supervisor.watch()
        except (HomeError, EmbeddedError, AddressError, PartFailed, probes.Unreachable, OSError) as error:
            raise CannotRun(self._with_hint(str(error))) from error

    def _check(self) -> None:
        """What must hold before anything is started."""
        environment = self._environment
        if self._home.free_bytes < NEEDED_BYTES:
            raise CannotRun(
                f"The disk of {self._home.path} has {self._home.free_bytes // 1_000_000} MB left; Foretell needs "
                f"{NEEDED_BYTES // 1_000_000} MB. Free some, or give another FORETELL_HOME."
            )
        listener(environment.host, environment.port).close()
        if environment.database_given:
            probes.postgres(environment.database_url)
        if environment.redis_given:
            probes.redis(environment.redis_url)

    def _start(self, supervisor: Supervisor) -> None:
        self._start_servers(supervisor)
        self._home.publish(self._addresses)
        self._progress.begin("Preparing")
        supervisor.run(self._django("prepare", "prepare"), lambda line: self._hear(line))
        self._progress.begin("Workers and beat")
        supervisor.start(self._worker("worker", queues="online,batch", processes=2))
        supervisor.start(self._worker("trainer", queues="training", processes=1))
        supervisor.start(self._part("beat", *_CELERY, "beat", "--pidfile="))
        self._progress.begin("Web server")
        web = self._django("web", "serve", grace_s=SHUTDOWN_S + 5)
        supervisor.start(web, ready=lambda: probes.ready(self._url, self._environment.allowed_hosts))
        if self._environment.demo:
            self._progress.begin("Simulated devices")
            credentials = {"FORETELL_CREDENTIALS": ",".join(self._result["demo"])}
            supervisor.start(self._django("simulate", "simulate", "--url", self._url, env=credentials), vital=False)

    def _start_servers(self, supervisor: Supervisor) -> None:
        """Start those of the two servers whose address is not given."""
        if self._environment.database_given and self._environment.redis_given:
            return
        # Imported here: a machine that is given addresses has neither the wheels nor need of them.
        from project.embedded import EmbeddedPostgres, EmbeddedValkey

        kinds = {}
        if not self._environment.database_given:
            kinds["database_url"] = ("Postgres", EmbeddedPostgres)
        if not self._environment.redis_given:
            kinds["redis_url"] = ("Valkey", EmbeddedValkey)
        for address, (name, kind) in kinds.items():
            self._progress.begin(name)
            server = kind(self._home.path)
            server.prepare()
            supervisor.start(server.part, ready=server.answers, before=server.prepare)
            self._addresses[address] = server.url

    def _part(self, name: str, *argv: str, env: dict[str, str] | None = None, grace_s: float = 10.0) -> Part:
        """A child of ours that is a Python program of the project."""
        environment = self._environment
        given = {
            "DATABASE_URL": self._addresses["database_url"],
            "REDIS_URL": self._addresses["redis_url"],
            "FORETELL_HOME": str(environment.home),
            "PYTHONUNBUFFERED": "1",
            # A crash of a library leaves in the log where it was.
            "PYTHONFAULTHANDLER": "1",
        }
        log = environment.home / "logs" / f"{name}.log"
        return Part(
            name=name,
            argv=argv,
            log=log,
            env=given | (env or {}),
            cwd=BASE_DIR,
            grace_s=grace_s,
            # When this process was killed, so were the servers: there is nothing left to finish in good order.
            orphan_signal=signal.SIGKILL,
        )

    def _worker(self, name: str, *, queues: str, processes: int) -> Part:
        """A worker of these queues. While it ends it finishes what its processes are at."""
        options = (f"--hostname={name}@%h", f"--queues={queues}", f"--concurrency={processes}")
        return self._part(name, *_CELERY, "worker", *options, "--without-mingle", "--without-gossip", grace_s=15)

    def _django(self, name: str, *command: str, env: dict[str, str] | None = None, grace_s: float = 10.0) -> Part:
        return self._part(name, sys.executable, str(BASE_DIR / "manage.py"), *command, env=env, grace_s=grace_s)

    def _hear(self, line: bytes) -> None:
        """One line of `prepare`."""
        said = json.loads(line)
        if "step" in said:
            self._progress.begin(said["step"])
        self._result |= said.get("result", {})

    @property
    def _url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._environment.host, self._environment.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._environment.port}"

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def _welcome(self) -> None:
        """The address, the login, and two lines to paste."""
        self._say(f"\nForetell is ready: {self._url}/")
        password = self._result["password"] or "(changed since; `manage.py changepassword admin` sets another)"
        self._say(f"Admin login: admin / {password}")
        if example := self._result["example"]:
            self._say("\nA reading over a WebSocket, and the same over REST (paste them in another terminal):\n")
            self._say(f"{_websocket_line(self._url, example, self._result['visitor'])}\n")
            self._say(f"{_curl_line(self._url, example, self._result['visitor'])}\n")
        self._say(f"Logs: {self._home.path / 'logs'}. Ctrl-C ends everything.")

    def _with_hint(self, sentence: str) -> str:
        """The sentence, and what is behind many failures, if it is so."""
        if self._home.path.exists() and self._home.free_bytes < FULL_BYTES:
            return f"{sentence} The disk of {self._home.path} is full."
        return sentence

    def _tick(self) -> None:
        """Draw the progress, and say once when the disk has filled up: until then only logs would."""
        self._progress.tick()
        full = self._home.free_bytes < FULL_BYTES
        if full and not self._full:
            self._say(f"The disk of {self._home.path} is full: predictions can't be stored until there is room.")
        self._full = full


def _websocket_line(url: str, example: dict[str, Any], token: str) -> str:
    """A command that opens a stream, sends one reading and prints what comes."""
    address = f"{url.replace('http', 'ws', 1)}/ws/v1/endpoints/{example['endpoint']}/stream?hello=short"
    message = json.dumps({"features": example["features"]}, separators=(",", ":"))
    # One statement, for one line: a `with` can't stand behind an import, and the client wants to be left.
    program = (
        f'with __import__("websockets.sync.client").sync.client.connect("{address}", '
        f'additional_headers={{"Authorization": "Bearer {token}"}}) as stream: '
        f"print(stream.recv()); stream.send({json.dumps(message)}); print(stream.recv())"
    )
    return shlex.join([sys.executable, "-c", program])


def _curl_line(url: str, example: dict[str, Any], token: str) -> str:
    """A command that asks for one prediction."""
    body = json.dumps({"features": example["features"]}, separators=(",", ":"))
    headers = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
    return shlex.join(["curl", "-sS", f"{url}/api/v1/endpoints/{example['endpoint']}/predict", *headers, "-d", body])
