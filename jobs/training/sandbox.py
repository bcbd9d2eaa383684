"""What a training process can reach: its folder, the code it runs, and nothing else. Linux; standard library only.

Two walls of the kernel that need no rights to build. Landlock lets it read what is named, and write in one folder.
A seccomp filter refuses network and local sockets, new processes and programs, and looking into others. Neither can
be taken down again. What the kernel does not offer is said, not hidden.
"""

import contextlib
import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT / "inference", ROOT / "jobs")
"""What of this repository a training imports; beside it may lie a state folder with a database and secrets."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

# ---- Landlock: https://docs.kernel.org/userspace-api/landlock.html --------------------------------------------------
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ALL_BY_VERSION = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
_ALL = 0xFFFF
_NO_SPECIAL_FILES = _ALL & ~(1 << 6 | 1 << 9 | 1 << 11 | _EXECUTE)
_OF_FILES = _READ_FILE | _WRITE_FILE | 1 << 14
_NO_TCP, _NO_OTHERS = 0b11, 0b11
SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/passwd",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/bus",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/dev/urandom",
    "/dev/zero",
)
"""What of the system Python and its libraries read."""

# ---- seccomp: https://man7.org/linux/man-pages/man2/seccomp.2.html ---------------------------------------------------
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED = {
    # socket, connect, fork, vfork, execve and execveat, ptrace, process_vm_readv and _writev, unshare, mount,
    # io_uring_setup, pidfd_getfd
    "x86_64": (41, 42, 57, 58, 59, 322, 101, 310, 311, 272, 165, 425, 438),
    "aarch64": (198, 203, 221, 281, 117, 270, 271, 97, 40, 425, 438),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3, _CLONE_THREAD, _X32 = 435, 0x10000, 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def enclose(*, readable: Iterable[Path], writable: Path) -> list[str]:
    """Enclose this process, and all of its threads to come; call it before there are any.

    Args:
        readable: files and folders it may read, besides `SYSTEM` and what Python imports from.
        writable: the one folder it may write in.

    Returns:
        What this machine does not offer, a line each.
    """
    if _libc is None:
        return ["its files and sockets: this is not Linux"]
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    missing = []
    for what, wall in (("files", lambda: _files(readable, writable)), ("sockets and processes", _calls)):
        try:
            wall()
        except OSError as error:
            missing.append(f"its {what}: {error.strerror}")
    return missing


def _files(readable: Iterable[Path], writable: Path) -> None:
    """Build the wall of files."""
    version = _called(_CREATE_RULESET, None, 0, _VERSION)
    handled = _ALL_BY_VERSION.get(version, _ALL)
    attributes = struct.pack("=QQQ", handled, _NO_TCP if version >= 4 else 0, _NO_OTHERS if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _called(_CREATE_RULESET, attributes, size, 0)
    try:
        imported = {path for path in (*sys.path, sys.prefix, sys.base_prefix) if path} - {str(ROOT)}
        for path in imported.union(SYSTEM, map(str, PACKAGES), map(str, readable)):
            _permit(ruleset, path, (_READ_FILE | _READ_DIR) & handled)
        _permit(ruleset, "/dev/null", (_READ_FILE | _WRITE_FILE) & handled)
        _permit(ruleset, str(writable), _NO_SPECIAL_FILES & handled)
        _called(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _permit(ruleset: int, path: str, access: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                access &= _OF_FILES
            _called(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, handle), 0)
        finally:
            os.close(handle)


def _called(number: int, *arguments: object) -> int:
    """A system call without a name in libc.

    Raises:
        OSError: the kernel refuses it.
    """
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class _Program(ctypes.Structure):
    """The kernel's `sock_fprog`."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _calls() -> None:
    """Build the wall of system calls."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    text = b"".join(struct.pack("=HBBI", *one) for one in _filter(machine))
    program = _Program(len(text) // 8, ctypes.cast(ctypes.create_string_buffer(text, len(text)), ctypes.c_void_p))
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter(machine: str) -> list[tuple[int, int, int, int]]:
    """The filter, as (operation, lines to skip if so, if not, operand)."""
    refuse, unknown = (_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    number, architecture, first_argument = 0, 4, 16
    lines = [(_LOAD, 0, 0, architecture), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), refuse, (_LOAD, 0, 0, number)]
    lines += [(_AT_LEAST, 0, 1, _X32), refuse]
    for call in _REFUSED[machine]:
        lines += [(_EQUAL, 0, 1, call), refuse]
    # Its flags lie in memory, where a filter can't look: libc then takes `clone`, where it can.
    lines += [(_EQUAL, 0, 1, _CLONE3), unknown]
    lines += [(_EQUAL, 0, 3, _CLONE[machine]), (_LOAD, 0, 0, first_argument), (_ANY_OF, 1, 0, _CLONE_THREAD), refuse]
    return [*lines, (_RETURN, 0, 0, _ALLOW)]
