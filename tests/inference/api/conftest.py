"""A real server with the real endpoints, `valve` and `idle`, and credentials of every kind."""

import datetime
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

from inference.tokens import new_secret
from tests.faults.stack import Stack
from tests.inference.api import valve

Key = Callable[..., str]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The server, on its own Postgres; nothing in these tests hurts it."""
    stack = Stack()
    try:
        stack.start()
        folder = tmp_path_factory.mktemp("artifacts")
        valve.write(folder)
        stack.manage("deploy", "--artifacts", str(folder))
        headers = {"authorization": f"Bearer {make_key(stack, 'read')}"}
        url = f"http://{stack.host}:{stack.port}/api/v1/endpoints/valve/"
        stack.wait_until(lambda: httpx.get(url, headers=headers).status_code == 200, "the server has seen `valve`")
        yield stack
    finally:
        stack.close()


def make_key(
    stack: Stack,
    *scopes: str,
    endpoints: tuple[str, ...] = (),
    expires_at: datetime.datetime | None = None,
    revoked: bool = False,
) -> str:
    """A new credential of a service; `endpoints` are slugs, none given for all."""
    token, prefix, digest = new_secret()
    now = datetime.datetime.now(datetime.UTC)
    [(id_,)] = stack.sql(
        "INSERT INTO inference_credential (prefix, secret_sha256, service, scopes, created_at, expires_at,"
        " revoked_at) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (prefix, digest, f"service-{prefix}", list(scopes), now, expires_at, now if revoked else None),
    )
    for slug in endpoints:
        stack.sql(
            "INSERT INTO inference_credential_endpoints (credential_id, endpoint_id)"
            " SELECT %s, id FROM inference_endpoint WHERE slug = %s",
            (id_, slug),
        )
    return token


@pytest.fixture(scope="session")
def key(stack: Stack) -> Key:
    """Makes credentials: see `make_key`."""
    return partial(make_key, stack)


@pytest.fixture(scope="session")
def token(key: Key) -> str:
    """A credential that may predict and read everywhere."""
    return key("predict", "read")


@pytest.fixture
def client(stack: Stack, token: str) -> Iterator[httpx.Client]:
    """A client with that credential."""
    with httpx.Client(
        base_url=f"http://{stack.host}:{stack.port}", headers={"authorization": f"Bearer {token}"}, timeout=20
    ) as client:
        yield client
