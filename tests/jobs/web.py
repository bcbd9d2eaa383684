"""A real web process on the tests' own Postgres and storage: what a test does through the ORM, it sees."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from project.part import Part, end
from tests.ports import free_port
from tests.project.children import until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A web process: where it listens, its number, its log."""

    host: str
    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def serving(dsn: str, folder: Path) -> Iterator[Server]:
    """A web process that lives while the block runs, with its log in a folder."""
    port = free_port()
    part = Part(
        name="web",
        argv=(sys.executable, "manage.py", "serve"),
        log=folder / "web.log",
        env={**os.environ, "DATABASE_URL": dsn, "HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": "1"},
        cwd=ROOT,
        grace_s=20,
    )
    process = part.spawn()
    try:
        until(lambda: _lives(port) or process.poll() is not None)
        assert process.poll() is None, part.log.read_text()
        yield Server("127.0.0.1", port, process.pid, part.log)
    finally:
        end(process, part)


def _lives(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.HTTPError:
        return False
