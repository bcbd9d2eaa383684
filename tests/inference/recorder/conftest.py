"""A recorder on the test database, and a Postgres of its own for the tests that stop it."""

import importlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from inference.recorder import Recorder
from project.embedded import EmbeddedPostgres
from tests.faults.proxy import Proxy

CREATE = importlib.import_module("inference.migrations.0002_prediction").CREATE


@pytest.fixture
async def recorder(dsn: str, clean_tables: None) -> AsyncIterator[Recorder]:
    """A started recorder on the test database."""
    recorder = Recorder(dsn)
    await recorder.start()
    yield recorder
    await recorder.stop()


@pytest.fixture
def rows(dsn: str) -> Callable[..., list[tuple]]:
    """Runs a statement on the test database and gives its rows."""

    def fetch(sql: str, *params: object) -> list[tuple]:
        with psycopg.connect(dsn) as connection:
            return connection.execute(sql, params).fetchall()

    return fetch


@pytest.fixture(scope="package")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres that may be killed, with the table of predictions."""
    home = Path(tempfile.mkdtemp(prefix="ft-"))
    home.chmod(0o711)
    postgres = EmbeddedPostgres(home)
    postgres.start()
    with psycopg.connect(postgres.url) as connection:
        connection.execute(CREATE)
    yield postgres
    postgres.stop()
    shutil.rmtree(home)


@pytest.fixture
def running(postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """The same, running and empty."""
    if not postgres.answers():
        postgres.start()
    yield postgres
    if not postgres.answers():
        postgres.start()
    with psycopg.connect(postgres.url) as connection:
        connection.execute("TRUNCATE inference_prediction")


@pytest.fixture
async def proxy(running: EmbeddedPostgres) -> AsyncIterator[Proxy]:
    """A line to that Postgres which can be cut."""
    async with Proxy(running) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: Proxy) -> AsyncIterator[Recorder]:
    """A started recorder that reaches that Postgres through the line."""
    recorder = Recorder(proxy.url)
    await recorder.start()
    yield recorder
    await recorder.stop()
