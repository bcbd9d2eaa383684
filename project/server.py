"""The web server: uvicorn as Foretell runs it."""

import errno
import multiprocessing
import resource
import signal
import socket
from collections.abc import Sequence

import uvicorn
from uvicorn.supervisors import Multiprocess

from project.part import dies_with_parent

APPLICATION = "project.asgi:application"

FRAME_BYTES = 65536
"""The largest WebSocket message (`limits.frame_bytes` of the hello)."""

HEARTBEAT_S = 20.0
"""Pings go out this often, and a pong must come within it (`limits.heartbeat_s` of the hello)."""

SHUTDOWN_S = 15
"""What SIGTERM leaves to answer and commit what is in flight."""

BACKLOG = 4096
"""Connections the kernel holds until they are accepted: a fleet that reconnects at once must fit."""

UNACKNOWLEDGED_MS = 30_000
"""A peer that acknowledges nothing for so long is gone; without it, its socket and buffers stay for many minutes."""

PROBED_S = 30
"""A peer of which nothing came for so long is asked by the kernel, and gone when it does not answer: one that vanished
within its request would else be waited for, and hold up the end of the process, for two hours."""


class AddressError(Exception):
    """The server can't listen there; the sentence says why and what to do."""


class Config(uvicorn.Config):
    """uvicorn's settings; a worker process that loads them ends with the process that started it.

    Args:
        trusted_proxies: addresses and networks whose word is taken for where a request comes from
            (`X-Forwarded-For`) and whether it came over https (`X-Forwarded-Proto`).
    """

    def __init__(self, application: str, *, workers: int = 1, trusted_proxies: Sequence[str] = ()) -> None:
        super().__init__(
            application,
            workers=workers,
            loop="uvloop",
            http="project.http_protocol:BoundedProtocol",
            ws="project.websocket_protocol:BurstProtocol",
            ws_max_size=FRAME_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=HEARTBEAT_S,
            ws_ping_timeout=HEARTBEAT_S,
            lifespan="on",
            timeout_graceful_shutdown=SHUTDOWN_S,
            timeout_keep_alive=60,
            backlog=BACKLOG,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            access_log=False,
            log_config=None,
            # Below, uvicorn logs every WebSocket's address with its query string.
            log_level="warning",
        )

    def load(self) -> None:
        """Load the application, in the process that serves it."""
        if multiprocessing.parent_process() is not None:
            # At once: as long as one of them drains, a new start finds the port taken.
            dies_with_parent(signal.SIGKILL, multiprocessing.parent_process().pid)()
        super().load()


def listener(host: str, port: int) -> socket.socket:
    """A listening socket; connections inherit its options.

    Raises:
        AddressError: the address is not of this machine, or is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressError(f"HOST {host!r} is not an address of this machine: {error.strerror}.") from error
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBED_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBED_S // 3)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    try:
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise AddressError(_why(error, host, port)) from error
    return made


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken by another program. Stop it, or choose another: PORT={port + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} of {host} needs rights that this user lacks. Choose one above 1023, as PORT=8000."
    return f"HOST {host!r} is not an address of this machine: {error.strerror}."


def raise_open_files_limit() -> None:
    """Let this process open as many sockets as the system allows it: the usual limit, 1024, is a small fleet."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(
    host: str, port: int, workers: int, application: str = APPLICATION, *, trusted_proxies: Sequence[str] = ()
) -> bool:
    """Serve until SIGTERM or SIGINT, then answer what is in flight.

    Args:
        workers: how many processes share the port.
        trusted_proxies: as `Config` takes them.

    Returns:
        whether it came to serve at all.

    Raises:
        AddressError: it can't listen there.
    """
    raise_open_files_limit()
    config = Config(application, workers=workers, trusted_proxies=trusted_proxies)
    sockets = [listener(host, port)]
    if workers > 1:
        Multiprocess(config, sockets).run()
        return True
    server = uvicorn.Server(config)
    server.run(sockets)
    return server.started
