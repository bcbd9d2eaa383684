"""A running server for the stream tests: real processes, shared by the session."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.stack import Stack


@pytest.fixture(scope="session")
def server() -> "Iterator[Stack]":
    """Postgres, Valkey and one web process with the endpoints of git and a device's credential."""
    from tests.faults.stack import Stack

    stack = Stack()
    try:
        yield stack.start()
    finally:
        stack.close()
