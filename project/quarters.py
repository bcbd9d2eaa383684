"""Where the embedded servers live in the state folder, and as whom."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from project.home import Home
from project.part import Account

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
        Home(self.home).make()

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
                    f"Postgres refuses to run as root, so it runs as `{self.account.name}`, who may not enter "
                    f"{folder} and needs {path}. Run Foretell as another user, or from a folder that is open to all "
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
