"""What a catalog serves, seen from outside."""

import asyncio
from collections.abc import Callable

from inference.catalog import Catalog
from inference.shelf import LiveVersion


async def answered(version: LiveVersion, a: float = 1.0, b: float = 1.0) -> str:
    """What a version says through its batcher."""
    done = asyncio.get_running_loop().create_future()

    class Job:
        inputs = [(a, b)]

        def predicted(self, outcomes):
            done.set_result(outcomes)

    version.batcher.submit(Job())
    (outcome,) = await asyncio.wait_for(done, 20)
    return outcome


async def until(catalog: Catalog, holds: Callable[[], object]) -> None:
    """Wait for changes of the catalog until a condition on it holds."""
    changed = asyncio.Event()
    leave = catalog.on_change(changed.set)
    async with asyncio.timeout(20):
        while not holds():
            await changed.wait()
            changed.clear()
    leave()


def champion(catalog: Catalog) -> str | None:
    """The tag of the version that answers `flow`."""
    champion = catalog.endpoint("flow").champion
    return champion and champion.tag
