"""Many who ask at once, and a database that does not answer: one query for all who wait, and bounds."""

import asyncio

import pytest

from inference.credentials import MAX_WAITING, Credentials
from inference.database import Database, DatabaseUnavailable
from inference.errors import InvalidToken, Overloaded
from inference.tokens import new_secret
from tests.inference.credentials.devices import header, make_device, make_devices, noticed

pytestmark = pytest.mark.usefixtures("clean_tables")


async def test_everyone_who_waits_is_asked_for_in_one_query(credentials, counting, revision):
    async with noticed(revision):
        issued = await make_devices(f"pump-{number}" for number in range(20))
    counting.gate.clear()
    first = asyncio.create_task(credentials.resolve(f"Bearer {new_secret()[0]}"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(credentials.resolve(header(one))) for one in issued for _ in range(3)]
    await asyncio.sleep(0)
    counting.gate.set()
    callers = await asyncio.gather(*others)
    assert {caller.device for caller in callers} == {f"pump-{number}" for number in range(20)}
    assert len(counting.asked) == 2
    with pytest.raises(InvalidToken):
        await first


async def test_a_flood_of_unknown_tokens_is_bounded(credentials, counting, revision):
    async with noticed(revision):
        bearer = header(await make_device(name="pump"))
    await credentials.resolve(bearer)
    counting.gate.clear()
    flood = [asyncio.create_task(credentials.resolve(f"Bearer {new_secret()[0]}")) for _ in range(2 * MAX_WAITING)]
    await asyncio.sleep(0)
    assert credentials.resolve_cached(bearer) is not None
    counting.gate.set()
    errors = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(error) for error in errors} == {InvalidToken, Overloaded}
    assert len(counting.asked) <= 3


async def test_a_database_that_is_away_is_said_to_be(revision):
    away = Database("postgresql://postgres@/nowhere?host=/nonexistent")
    await away.open()
    credentials = Credentials(away, revision=revision)
    with pytest.raises(DatabaseUnavailable):
        await credentials.resolve(f"Bearer {new_secret()[0]}")
    await away.close()
