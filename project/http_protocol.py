"""uvicorn's HTTP protocol with bounds that it lacks: how long a request's head may be, and how long nobody may speak.

uvicorn's parser gathers a head whatever its length, and copies all of it for each packet: one stranger's endless header
would take the memory, and the event loop's time, of everybody.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 1024 * 1024
"""Over all that `inference.http` lets pass: a hundred headers of 8 KiB."""


class BoundedProtocol(HttpToolsProtocol):
    """One HTTP connection."""

    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; one on which nothing comes ends like one on which nothing comes any more."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Take what came, and end the connection when a head does not end."""
        super().data_received(data)
        scope, cycle = self.scope, self.cycle
        if scope is None or (cycle is not None and cycle.scope is scope):
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            # Without a word: an answer would be lost, since so much of the question is still on its way.
            self.transport.abort()
