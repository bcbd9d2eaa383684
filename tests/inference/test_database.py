"""Reading without Django."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from inference import database as database_module
from inference.database import Database, DatabaseUnavailable
from inference.errors import Overloaded
from project.embedded import EmbeddedPostgres
from tests.faults.proxy import Cut, Proxy


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
    postgres.stop()
    postgres.start()
    assert await database.fetch("SELECT 1") == [(1,)]
    await database.close()


async def test_a_server_that_hangs_is_an_error(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Proxy(postgres) as proxy:
        database = Database(proxy.url)
        await database.open()
        assert await database.fetch("SELECT 1") == [(1,)]
        proxy.open.clear()
        # While it hangs only: so short a time could be too short for a server that is merely slow.
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "FETCH_TIMEOUT_S", 0.1)
            patch.setattr(database_module, "CHECKOUT_TIMEOUT_S", 0.3)
            patch.setattr(database._pool, "timeout", 0.3)
            with pytest.raises(DatabaseUnavailable):
                await database.fetch("SELECT 1")
        proxy.open.set()
        assert await database.fetch("SELECT 1") == [(1,)]
        await database.close()


async def test_a_transaction_gives_the_rows_of_its_last_statement(database: Database) -> None:
    rows = await database.transact(
        ("SELECT set_config('foretell.seen', %(seen)s, true)", {"seen": "yes"}),
        ("SELECT current_setting('foretell.seen'), %(n)s::int", {"n": 5}),
    )
    assert rows == [("yes", 5)]


async def test_a_wrong_statement_in_a_transaction_is_the_callers_error_and_changes_nothing(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await database.transact(("CREATE TABLE made (n int)", {}), ("SELECT 1 FROM nowhere", {}))
    assert await database.fetch("SELECT to_regclass('made')") == [(None,)]


async def test_a_flood_of_transactions_leaves_room_for_reads(
    database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "TURN_TIMEOUT_S", 0.05)
    async with await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(7)")
        wait = ("SELECT pg_advisory_xact_lock(7)", {})
        flood = [asyncio.create_task(database.transact(wait)) for _ in range(20)]
        assert await database.fetch("SELECT 1") == [(1,)]
        assert not any(one.done() and not one.exception() for one in flood)
        for refused in itertools.islice(asyncio.as_completed(flood), 20 - database_module.MAX_TRANSACTIONS):
            with pytest.raises(Overloaded):
                await refused
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in outcomes) == database_module.MAX_TRANSACTIONS


@pytest.mark.parametrize("cut", ["before", "sent", "answered"])
async def test_a_transaction_cut_at_its_commit_is_run_again(postgres: EmbeddedPostgres, cut: Cut) -> None:
    """What it stores under a key of its own is stored once, whichever side of the commit the cut was on."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept (n int PRIMARY KEY)")
    store = ("INSERT INTO kept VALUES (%(n)s) ON CONFLICT DO NOTHING", {"n": 1})
    async with Proxy(postgres) as proxy:
        database = Database(proxy.url)
        await database.open()
        assert await database.fetch("SELECT 1") == [(1,)]
        proxy.cut_at(lambda message: b"COMMIT" in message.payload, cut)
        assert await database.transact(store, ("SELECT count(*) FROM kept", {})) == [(1,)]
        assert proxy.cuts == 1
        await database.close()
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
