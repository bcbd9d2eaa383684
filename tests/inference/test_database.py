"""Reading without Django."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from inference import database as database_module
from inference.database import Database, DatabaseUnavailable
from project.embedded import EmbeddedPostgres
from tests.faults.proxy import Proxy


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """An open pool on the test database."""
    database = Database(dsn)
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres that may be restarted."""
    home = Path(tempfile.mkdtemp(prefix="ft-"))
    home.chmod(0o711)
    postgres = EmbeddedPostgres(home)
    postgres.start()
    yield postgres
    postgres.stop()
    shutil.rmtree(home)


async def test_rows_come_as_tuples(database: Database) -> None:
    assert await database.fetch("SELECT %s::int, 'a%%'", [1]) == [(1, "a%")]
    assert await database.fetch("SELECT 'a%' WHERE false") == []


async def test_more_readers_than_connections_all_get_their_rows(database: Database) -> None:
    answers = await asyncio.gather(*(database.fetch("SELECT %s::int, pg_sleep(0.01)", [n]) for n in range(40)))

    assert [rows[0][0] for rows in answers] == list(range(40))


async def test_a_wrong_statement_is_the_callers_error(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await database.fetch("SELECT 1 FROM nowhere")


async def test_no_server_is_an_error_and_its_return_is_noticed(postgres: EmbeddedPostgres) -> None:
    """All pooled connections are dead after the restart, and the first read works all the same."""
    database = Database(postgres.url)
    await database.open()
    await asyncio.gather(*(database.fetch("SELECT pg_sleep(0.05)") for _ in range(8)))
    postgres.stop()
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("SELECT 1")
    postgres.start()
    assert await database.fetch("SELECT 1") == [(1,)]

    await asyncio.gather(*(database.fetch("SELECT pg_sleep(0.05)") for _ in range(8)))
    postgres.restart()
    assert await database.fetch("SELECT 1") == [(1,)]
    await database.close()


async def test_a_server_that_hangs_is_an_error(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "FETCH_TIMEOUT_S", 0.1)
    monkeypatch.setattr(database_module, "CHECKOUT_TIMEOUT_S", 0.3)
    async with Proxy(postgres) as proxy:
        database = Database(proxy.url)
        await database.open()
        assert await database.fetch("SELECT 1") == [(1,)]
        proxy.open.clear()
        with pytest.raises(DatabaseUnavailable):
            await database.fetch("SELECT 1")
        proxy.open.set()
        assert await database.fetch("SELECT 1") == [(1,)]
        await database.close()
