"""Clients of a real server, with credentials of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.jobs.web import Server

Client = Callable[..., httpx.Client]


@pytest.fixture
def small_chunks_in_an_empty_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a chunk, and nothing left of what other tests have sent."""
    from jobs import storage
    from jobs.batch import reading, shelf

    storage.drop("incoming")
    monkeypatch.setattr(reading, "CHUNK_ROWS", 2)
    shelf.forget()


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
    """A client that may do all there is with jobs, and decide about versions."""
    return client("jobs", "admin")
