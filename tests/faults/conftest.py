"""One stack for all fault tests of a run, healed before each, and a history a test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.history import History
from tests.faults.proxy import Proxy
from tests.faults.stack import Stack


@pytest.fixture(scope="session")
def running_stack() -> Iterator[Stack]:
    """The stack, started once: making a database and a web process takes longer than most faults."""
    stack = Stack()
    try:
        yield stack.start()
    finally:
        stack.close()


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """The stack with nothing of it dead."""
    running_stack.heal()
    return running_stack


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """An empty history."""
    history = History(tmp_path / "history.jsonl")
    yield history
    history.close()


@pytest.fixture
async def proxy(stack: Stack) -> AsyncIterator[Proxy]:
    """A proxy to the stack's Postgres, with a web process that knows no other way to it."""
    stack.web_stop()
    async with Proxy(stack.postgres) as proxy:
        stack.web_start(DATABASE_URL=proxy.url)
        await stack.becomes(lambda: stack.get("/readyz").status == 200, "the web process is ready behind the proxy")
        yield proxy
        stack.web_kill()
