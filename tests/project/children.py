"""Small programs that tests run as real child processes, and ways to wait for them without sleeping."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from project.part import Part


def python(name: str, code: str, folder: Path, **options: object) -> Part:
    """A part that runs `code`."""
    return Part(name=name, argv=(sys.executable, "-c", code), log=folder / f"{name}.log", **options)


def announced(folder: Path, name: str) -> str:
    """What a child wrote to the pipe `name`; waits for it."""
    return (folder / name).read_text()


def pipe(folder: Path, name: str) -> Path:
    """A named pipe: a child that writes to it is waited for by reading it."""
    path = folder / name
    os.mkfifo(path)
    return path


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for something that no event tells; fails the test when it does not come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody reaps does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def driver(code: str, *args: object) -> subprocess.Popen[str]:
    """A Python program that uses the project, with its stdout to read and its stdin to write."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
