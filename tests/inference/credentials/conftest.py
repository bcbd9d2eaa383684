"""Credentials on the test database, which counts what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from inference.credentials import Credentials
from inference.database import Database
from inference.revision import Revision
from tests.inference.conftest import POLL_S

if TYPE_CHECKING:
    # A conftest is imported before the settings are loaded.
    from inference.models import Endpoint


class CountingDatabase(Database):
    """A database that remembers what was asked, and can be held back."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.asked: list[str] = []
        self.answered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask, and give the answer once the gate is open."""
        self.asked.append(sql)
        rows = await self.inner.fetch(sql, params)
        self.answered.set()
        await self.gate.wait()
        return rows


@pytest.fixture
def counting(database: Database) -> CountingDatabase:
    """The test database."""
    return CountingDatabase(database)


@pytest.fixture
async def credentials(counting: CountingDatabase, revision: Revision) -> AsyncIterator[Credentials]:
    """Started, and looking often."""
    started = Credentials(counting, revision=revision, check_s=POLL_S)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def flow() -> "Endpoint":
    """An endpoint."""
    from inference.models import Endpoint

    return await Endpoint.objects.acreate(slug="flow", name="Flow", folder="f", signature={}, signature_digest="-")
