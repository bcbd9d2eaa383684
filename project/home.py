"""The state folder, `FORETELL_HOME`: who holds it, what is kept in it, where its servers listen. Knows no Django."""

import fcntl
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import IO


class HomeError(Exception):
    """The state folder can't be used; the sentence says why and what to do."""


class Home:
    """A state folder.

    Args:
        path: where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def make(self) -> None:
        """Make it and what is missing above it.

        Made by root, the new folders can be entered by all, whatever the umask: the embedded Postgres refuses to run
        as root and has its data below. What must stay private in there has modes of its own.

        Raises:
            HomeError: it can't be made.
        """
        try:
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                if os.geteuid() == 0:
                    folder.chmod(folder.stat().st_mode | 0o111)
        except OSError as error:
            raise self._unusable(error) from error

    def secret(self, name: str, *, random_bytes: int = 48) -> str:
        """A secret made once and kept in a file of that name, readable by its owner only.

        Processes that start together get the same one: it is written aside and linked into place, which only one can.

        Args:
            random_bytes: how many it is made of; as text it is a third longer.

        Raises:
            HomeError: the folder can't be used.
        """
        kept = self.path / name
        try:
            with suppress(FileNotFoundError, NotADirectoryError):
                if secret := kept.read_text().strip():
                    return secret
                kept.unlink()  # it was being made when the disk was full
            self.make()
            aside = kept.with_name(f".{name}.{secrets.token_hex(8)}")
            try:
                _write_private(aside, secrets.token_urlsafe(random_bytes))
                with suppress(FileExistsError):
                    os.link(aside, kept)
            finally:
                aside.unlink(missing_ok=True)
            return kept.read_text().strip()
        except OSError as error:
            raise self._unusable(error) from error

    def hold(self, patience_s: float = 1.0) -> None:
        """Take it for this process, until `release` or the process's end.

        Raises:
            HomeError: another process holds it.
        """
        self.make()
        lock = self._lock_file()
        try:
            self._wait_for(lock, patience_s)
        except HomeError:
            lock.close()
            raise
        self._lock = lock

    def _wait_for(self, lock: IO[str], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                # Whoever asks `held` holds it for an instant.
                if time.monotonic() > deadline:
                    raise HomeError(
                        f"Foretell already runs on {self.path}. Stop it first, or give another FORETELL_HOME and PORT."
                    ) from None
                time.sleep(0.05)

    def release(self) -> None:
        """Let others take it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def held(self) -> bool:
        """Whether some process holds it now."""
        if self._lock is not None:
            return True
        try:
            with (self.path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def publish(self, addresses: dict[str, str]) -> None:
        """Write down where the servers listen, for commands in other terminals. The addresses may hold passwords."""
        aside = self.path / ".addresses.json"
        aside.unlink(missing_ok=True)
        _write_private(aside, json.dumps(addresses))
        aside.replace(self.path / "addresses.json")

    def withdraw(self) -> None:
        """Forget the addresses."""
        (self.path / "addresses.json").unlink(missing_ok=True)

    def addresses(self) -> dict[str, str]:
        """What was published, or nothing when its publisher is gone: a killed one leaves its addresses behind."""
        with suppress(FileNotFoundError, NotADirectoryError):
            said = json.loads((self.path / "addresses.json").read_text())
            if self.held:
                return said
        return {}

    @property
    def free_bytes(self) -> int:
        """What its disk has left for this user."""
        return shutil.disk_usage(self.path).free

    def _lock_file(self) -> IO[str]:
        try:
            return (self.path / "lock").open("a")
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> HomeError:
        return HomeError(f"FORETELL_HOME must be a folder that can be written; {self.path} is not: {error.strerror}.")


def _write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner can read, down to the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
