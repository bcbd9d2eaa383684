"""A whole Foretell in a folder of its own, to be hurt: Postgres, Valkey, one web process, and a crew for jobs.

Every process is a child of this one, known by its pid; nothing else is ever signalled.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from project.embedded import EmbeddedPostgres, EmbeddedValkey
from project.part import Part, end
from tests.faults.crew import Crew
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = "shuttle-fault"
POLL_S = 0.05
"""How often a state that can only be asked for is asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status and its JSON, or its text when it is none."""

    status: int
    body: Any


class Stack:
    """Real servers in a temporary folder. `start` them, hurt them, `close` them.

    Args:
        tree: the source tree whose `manage.py` is run.
        environment: added to what the web process sees.
    """

    def __init__(self, tree: Path = ROOT, environment: dict[str, str] | None = None) -> None:
        self.tree = tree
        self.home = Path(tempfile.mkdtemp(prefix="ft-"))
        self.home.chmod(0o711)  # run as root, the servers run as `nobody`
        self.artifacts = tree / "artifacts"
        self.postgres = EmbeddedPostgres(self.home)
        self.valkey = EmbeddedValkey(self.home)
        self.port = free_port()
        self.host = "127.0.0.1"
        self.web: subprocess.Popen[bytes] | None = None
        self.token = ""
        self.crew = Crew(self)
        self._key = ""
        self._environment = environment or {}
        self._usual = True

    # ---- Life -------------------------------------------------------------------------------------------------------

    def start(self) -> "Stack":
        """Start everything on an empty database: migrated, deployed, one device with a credential."""
        self.postgres.start()
        self.valkey.start()
        self.manage("migrate", "--verbosity", "0")
        self.manage("deploy")
        self.token = self.manage("device", "create", "probe", "--endpoint", ENDPOINT).strip().splitlines()[-1]
        self.web_start()
        self.wait_until(lambda: self.get("/readyz").status == 200, "the web process is ready")
        return self

    def close(self) -> None:
        """End everything that was started here and throw the folder away."""
        self.crew.dismiss()
        self.web_stop()
        for server in (self.valkey, self.postgres):
            if server.process is not None and server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
            server.stop()
        shutil.rmtree(self.home)

    def heal(self) -> None:
        """Bring back what a test left dead, and wait until all is ready. Of the crew nobody is left."""
        self.crew.dismiss()
        for server in (self.postgres, self.valkey):
            if server.process is None or server.process.poll() is not None:
                server.start()
        if self.web is not None and not self._usual:
            self.web_kill()
        if self.web is None or self.web.poll() is not None:
            self.web_start()
        self.wait_until(lambda: self.get("/readyz").status == 200, "the web process is ready")

    # ---- The web process --------------------------------------------------------------------------------------------

    @property
    def _web_part(self) -> Part:
        return Part(
            name="web",
            argv=(sys.executable, "manage.py", "serve"),
            log=self.home / "logs" / "web.log",
            env=self.environment,
            cwd=self.tree,
            grace_s=20,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What Foretell's commands and processes see."""
        return {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.valkey.url,
            "FORETELL_HOME": str(self.home),
            "HOST": self.host,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            "DEMO": "0",
            "DJANGO_SETTINGS_MODULE": "project.settings",
        } | self._environment

    def web_start(self, **environment: str) -> None:
        """Start the web process, this once with `environment` added; it is not waited for."""
        part = self._web_part
        self._usual = not environment
        self.web = replace(part, env={**part.env, **environment}).spawn()

    def web_stop(self) -> None:
        """End the web process in good order."""
        if self.web is not None:
            if self.web.poll() is None:
                self.web.send_signal(signal.SIGCONT)
            end(self.web, self._web_part)
            self.web = None

    def web_kill(self) -> None:
        """SIGKILL to the web process."""
        assert self.web is not None
        self.web.kill()
        self.web.wait()

    def web_log(self) -> str:
        """What the web process wrote so far."""
        return (self.home / "logs" / "web.log").read_text(errors="replace")

    # ---- Asking it --------------------------------------------------------------------------------------------------

    def get(self, path: str, timeout_s: float = 6) -> Answer:
        """GET with the probe's credential; status 0 when nothing answers."""
        return self._ask("GET", path, b"", timeout_s)

    def post(self, path: str, body: object, timeout_s: float = 6) -> Answer:
        """POST of JSON with the probe's credential; status 0 when nothing answers."""
        return self._ask("POST", path, json.dumps(body).encode(), timeout_s)

    def _ask(self, method: str, path: str, content: bytes, timeout_s: float) -> Answer:
        headers = (
            f"host: {self.host}\r\nauthorization: Bearer {self.token}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}"
        )
        request = f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + content
        try:
            with socket.create_connection((self.host, self.port), timeout_s) as connection:
                connection.sendall(request)
                received = b""
                while part := connection.recv(65536):
                    received += part
        except OSError:
            return Answer(0, "")
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0
        try:
            return Answer(status, json.loads(body))
        except ValueError:
            return Answer(status, body.decode(errors="replace"))

    def wait_until(self, holds: Callable[[], object], what: str, timeout_s: float = 60) -> None:
        """Return when something holds.

        Raises:
            AssertionError: it did not in time, or the web process ended meanwhile.
        """
        until = time.monotonic() + timeout_s
        while not holds():
            ended = self.web is not None and self.web.poll() is not None
            assert not ended, f"the web process ended before {what}:\n{self.web_log()[-3000:]}"
            assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}\n{self.web_log()[-3000:]}"
            time.sleep(POLL_S)

    async def becomes(self, holds: Callable[[], object], what: str, timeout_s: float = 60) -> float:
        """As `wait_until`, with the event loop free meanwhile; returns how long it took, in seconds."""
        started = time.monotonic()
        await asyncio.to_thread(self.wait_until, holds, what, timeout_s)
        return time.monotonic() - started

    def manage(self, *words: str) -> str:
        """Run a management command; its stdout.

        Raises:
            AssertionError: it failed.
        """
        done = self.managed(*words)
        assert done.returncode == 0, f"manage.py {' '.join(words)}:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def managed(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end, however that is."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=self.tree,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    # ---- The database -----------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """A program's credential that may do everything with the endpoint, jobs too; made when first asked for."""
        if not self._key:
            scopes = ("--scope", "predict,feedback,read,jobs")
            self._key = self.manage("key", "create", "jobs", "--endpoint", ENDPOINT, *scopes).strip().splitlines()[-1]
        return self._key

    def sql(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement on the stack's own Postgres, past everything."""
        with psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def audit(self, policy: str) -> None:
        """Set the endpoint's audit policy, as the admin would; sockets opened a moment later have it."""
        self.sql("UPDATE inference_endpoint SET audit = %s WHERE slug = %s", (policy, ENDPOINT))

    def champion(self) -> str:
        """The tag of the version that is live in the database."""
        query = (
            "SELECT algorithm, major, minor, patch FROM inference_version v JOIN inference_deployment d"
            " ON d.version_id = v.id JOIN inference_endpoint e ON e.id = d.endpoint_id"
            " WHERE e.slug = %s AND d.role = 'champion' AND d.ended_at IS NULL"
        )
        algorithm, *number = self.sql(query, (ENDPOINT,))[0]
        return f"{algorithm}-{'.'.join(map(str, number))}"
