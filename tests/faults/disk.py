"""A disk so small that a test can fill it: a tmpfs over a folder, in a mount namespace that only this process sees."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CLONE_NEWNS = 0x00020000
_namespaces: list[int] = []
"""The process that has a mount namespace of its own: this one, once it needed one."""


class Disk:
    """The small disk over `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, left_bytes: int = 0) -> None:
        """Fill it until not more than `left_bytes` (in blocks) are left."""
        with self._filler.open("ab") as filler:
            while (free := self.free_bytes - left_bytes) > 0:
                filler.write(b"\0" * min(free, 1 << 20))
                filler.flush()

    def clear(self) -> None:
        """Take away what `fill` wrote."""
        self._filler.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        """How much can still be written."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Disk]:
    """Put a disk with so much room over a folder, its content on it; afterwards the folder is as before.

    Nothing may have the folder open. Processes started meanwhile see the disk, those from before don't.
    """
    skip_unless_mounting_works()
    state = folder.stat()
    before = folder.with_name(f"{folder.name}.before")
    _copy(folder, before)
    owner = f"mode={state.st_mode & 0o7777:o},uid={state.st_uid},gid={state.st_gid}"
    size = sum(file.stat().st_blocks * 512 for file in before.rglob("*")) + mib * 1024 * 1024
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},{owner}", "tmpfs", str(folder)], check=True)
    try:
        _copy(before, folder)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(before)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder's content with owners and modes."""
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


def skip_unless_mounting_works() -> None:
    """Give this process a mount namespace of its own, or skip the test with the reason."""
    if os.getpid() in _namespaces:
        return
    if sys.platform != "linux":
        pytest.skip("needs Linux: a small disk is a tmpfs in a mount namespace")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        pytest.skip(f"needs root: a mount namespace is refused ({os.strerror(ctypes.get_errno())})")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    _namespaces.append(os.getpid())
