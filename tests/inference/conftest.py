"""What follows the registry from outside Django: a database pool and a revision that looks often."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    # A conftest is imported before the settings are loaded.
    from inference.database import Database
    from inference.revision import Revision

POLL_S = 0.02


@pytest.fixture
async def database(dsn: str) -> "AsyncIterator[Database]":
    """The pool that serving reads through."""
    from inference.database import Database

    opened = Database(dsn)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def revision(database: "Database") -> "AsyncIterator[Revision]":
    """A started follower of the revision row."""
    from inference.revision import Revision

    started = Revision(database, poll_s=POLL_S)
    await started.start()
    yield started
    await started.stop()
