"""Finding out what became of a transaction whose connection was lost."""

import psycopg
import pytest

from inference import ids
from inference.recorder.backend import Backend
from inference.recorder.lines import COPY
from tests.inference.recorder.told import Told


@pytest.fixture
async def stored(dsn: str, clean_tables: None) -> tuple[str, str]:
    """A committed transaction, and the id of the row it stored."""
    entry = Told([])
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute("SELECT pg_current_xact_id()::text")
        (xid,) = await cursor.fetchone()
        async with connection.cursor().copy(COPY) as copy:
            await copy.write(entry.text)
    return xid, entry.ids[0]


async def outcome(dsn: str, xid: str, first_id: str | None) -> bool:
    """What a new backend says of a transaction."""
    backend, committed = await Backend.replace(dsn, None, xid, first_id)
    await backend.connection.close()
    return committed


async def test_a_committed_transaction_is_known_by_its_row(dsn: str, stored: tuple[str, str]) -> None:
    xid, first_id = stored

    assert await outcome(dsn, xid, first_id)
    assert await outcome(dsn, xid, None)


async def test_the_number_of_a_forgotten_transaction_given_to_another_is_not_trusted(
    dsn: str, stored: tuple[str, str]
) -> None:
    """A server that crashes before it wrote anything of a transaction gives its number out again."""
    xid, _ = stored

    assert not await outcome(dsn, xid, ids.prediction_id())


async def test_a_transaction_the_server_has_never_heard_of_is_not_committed(dsn: str, stored: tuple[str, str]) -> None:
    assert not await outcome(dsn, str(int(stored[0]) + 1_000_000), stored[1])


async def test_a_rolled_back_transaction_is_not_committed(dsn: str, clean_tables: None) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute("SELECT pg_current_xact_id()::text")
        (xid,) = await cursor.fetchone()
        await connection.rollback()

    assert not await outcome(dsn, xid, ids.prediction_id())


async def test_only_the_very_backend_that_was_lost_is_ended(dsn: str) -> None:
    """Its pid may have gone to another process meanwhile; the time of its start tells."""
    lost = await Backend.open(dsn)
    namesake = Backend(lost.connection, lost.pid, lost.started_at.replace(year=2000))

    second, _ = await Backend.replace(dsn, namesake, None, None)
    await lost.connection.execute("SELECT 1")
    third, _ = await Backend.replace(dsn, lost, None, None)
    with pytest.raises(psycopg.OperationalError):
        await lost.connection.execute("SELECT pg_sleep(10)")

    for backend in (lost, second, third):
        await backend.connection.close()
