"""A real server on the tests' own Postgres and storage: what a test does through the ORM, the server sees."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from project.part import Part, end
from tests.project.children import until

ROOT = Path(__file__).resolve().parents[3]


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


@pytest.fixture(scope="session")
def server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It serves until the tests end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    part = Part(
        name="web",
        argv=(sys.executable, "manage.py", "serve"),
        log=tmp_path_factory.mktemp("web") / "web.log",
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


Client = Callable[..., httpx.Client]


@pytest.fixture
def client(server: Server, flow: Any) -> Iterator[Client]:
    """Makes clients whose credential is a new service's: of its scopes, of endpoints' slugs or of all."""
    from inference.models import Endpoint
    from inference.services import credential_create

    made: list[httpx.Client] = []

    def make(*scopes: str, endpoints: tuple[str, ...] = (), service: str = "nightly") -> httpx.Client:
        issued = credential_create(
            service=service,
            scopes=scopes or ("jobs",),
            endpoints=Endpoint.objects.filter(slug__in=endpoints),
            actor="test",
        )
        headers = {"authorization": f"Bearer {issued.token}"}
        made.append(httpx.Client(base_url=server.url, headers=headers, timeout=20))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def jobs(client: Client) -> httpx.Client:
    """A client that may do all there is with jobs."""
    return client("jobs")
