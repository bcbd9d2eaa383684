"""TCP ports for the servers that tests start as processes of their own."""

import socket
import sys


def free_port(address: str = "127.0.0.1") -> int:
    """A port of this machine that nobody listens on, and that nobody else is given as long as this process runs.

    A server takes seconds to start, and other tests beside this one look for a port meanwhile.
    """
    with socket.socket() as holder:
        # What is bound with it and does not listen leaves the port to a server that binds with it, as all do.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((address, 0))
        port: int = holder.getsockname()[1]
        if sys.platform == "linux":  # others let nobody bind what is held
            holder.detach()
    return port
