"""A DNS server that knows one name, as the one of a container network knows `web`."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def knowing(name: str, addresses: list[str]) -> Iterator[str]:
    """Answer for `name` with these IPv4 addresses, until left. Gives where it is, as Caddy spells it.

    `addresses` may be changed meanwhile.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            question, connection = self.request
            connection.sendto(_answer(question, name, addresses), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"udp/127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _answer(message: bytes, name: str, addresses: list[str]) -> bytes:
    """The reply to a query: A records, none for another type, or that there is no such name."""
    labels, place = [], 12
    while length := message[place]:
        labels.append(message[place + 1 : place + 1 + length].decode())
        place += 1 + length
    kind = struct.unpack(">H", message[place + 1 : place + 3])[0]
    known = labels == [name]
    found = addresses if known and kind == 1 else []
    header = message[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
    # 0xC00C: the name is the one of the question. A record of the internet, valid for no time.
    records = (struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(address) for address in found)
    return header + message[12 : place + 5] + b"".join(records)
