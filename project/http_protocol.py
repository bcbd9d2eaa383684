"""uvicorn's HTTP protocol with bounds that it lacks: how long a request's head may be, and how long nobody may speak.

uvicorn's parser gathers a head whatever its length, and copies all of it for each packet: one stranger's endless header
would take the memory, and the event loop's time, of everybody.
"""

import asyncio
from weakref import WeakSet

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_BYTES = 1024 * 1024
"""Over all that `inference.http` lets pass: a hundred headers of 8 KiB."""

LOOK_S = 1.0
"""How often requests are looked for of whose body nothing has come."""

_looked_after: WeakSet[ServerState] = WeakSet()
"""The servers that have connections, each of which is looked through every `LOOK_S`."""


class BoundedProtocol(HttpToolsProtocol):
    """One HTTP connection."""

    _head_bytes = 0
    _begun: object = None
    """The latest request whose body was begun for it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; one on which nothing comes ends like one on which nothing comes any more."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self.server_state not in _looked_after:
            _looked_after.add(self.server_state)
            self.loop.call_later(LOOK_S, _look, self.loop, self.server_state)

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

    def begin_body(self) -> None:
        """Give a request that waits for its body an empty first piece, once: whoever takes it in pieces has a clock.

        Without it a body that never begins would be waited for, for ever. A timer for each request would cost more
        than all of this protocol does; so does only one of whose body nothing came with its head, at such a moment.
        """
        cycle = self.cycle
        if cycle is None or not cycle.more_body or cycle.response_started or cycle is self._begun:
            return
        self._begun = cycle
        cycle.message_event.set()


def _look(loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
    """Look through a server's connections, and again as long as there are any."""
    for connection in state.connections:
        if isinstance(connection, BoundedProtocol):
            connection.begin_body()
    if state.connections:
        loop.call_later(LOOK_S, _look, loop, state)
    else:
        _looked_after.discard(state)
