"""Devices and services that ask, and what they lose."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

from inference.callers import Caller
from inference.credentials import Credentials
from inference.revision import Revision
from inference.services import Issued, credential_create, device_create

make_device = sync_to_async(partial(device_create, actor="test"))
make_key = sync_to_async(partial(credential_create, actor="test"))


@sync_to_async
def make_devices(names: Iterable[str]) -> list[Issued]:
    """Devices that are there all at once: one change."""
    with transaction.atomic():
        return [device_create(name=name, actor="test") for name in names]


@asynccontextmanager
async def noticed(revision: Revision) -> AsyncIterator[None]:
    """Waits, at its end, until the change made within is noticed: what is resolved meanwhile is looked up anew."""
    seen = asyncio.Event()
    forget = revision.subscribe(seen.set)
    try:
        yield
        await asyncio.wait_for(seen.wait(), 20)
    finally:
        forget()


def header(issued: Issued) -> str:
    """What its owner says with a request."""
    return f"Bearer {issued.token}"


def lost(credentials: Credentials, caller: Caller, slug: str = "flow") -> asyncio.Future[Exception]:
    """A future of what the caller loses."""
    loss = asyncio.get_running_loop().create_future()
    credentials.watch(caller, slug, loss.set_result)
    return loss


async def awaited(what: Awaitable[Any]) -> Any:
    """It, if it comes within 20 s."""
    return await asyncio.wait_for(what, 20)
