"""The same application on daphne, which has no lifespan and can't refuse a handshake over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from project.part import Part, end
from tests.faults.stack import ENDPOINT, Stack
from tests.ports import free_port

ROW = [50, 21, 77, 0, 28, 0, 27, 48, 22]


@pytest.fixture(scope="module")
def port(server: Stack) -> Iterator[int]:
    """A daphne beside the server's web process, on the same database."""
    port = free_port()
    argv = (sys.executable, "-m", "daphne", "--port", str(port), "project.asgi:application")
    part = Part(name="daphne", argv=argv, log=server.home / "logs" / "daphne.log", cwd=server.tree)
    child: subprocess.Popen[bytes] = replace(part, env=server.environment).spawn()
    try:
        server.wait_until(lambda: b"Listening on TCP" in part.log.read_bytes(), "daphne listens")
        yield port
    finally:
        end(child, part)


def opened(server: Stack, port: int, query: str = "", *, endpoint: str = ENDPOINT, **options: Any) -> Any:
    options.setdefault("additional_headers", {"Authorization": f"Bearer {server.token}"})
    return connect(f"ws://127.0.0.1:{port}/ws/v1/endpoints/{endpoint}/stream{query}", compression=None, **options)


def test_a_reading_is_answered_and_stored(server: Stack, port: int) -> None:
    with opened(server, port) as socket:
        assert json.loads(socket.recv(30))["type"] == "hello"
        socket.send(json.dumps({"features": ROW}))
        answer = json.loads(socket.recv(30))
    assert answer["stored"] is True
    assert server.sql("SELECT output FROM inference_prediction WHERE id = %s", (answer["id"],)) == [(answer["output"],)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"additional_headers": {}}, 4401),
        ({"endpoint": "nothing"}, 4404),
        ({"origin": "https://evil.example"}, 4403),
        ({"query": "?token=x"}, 4400),
    ],
)
def test_a_refused_handshake_is_closed_with_its_own_code(
    server: Stack, port: int, options: dict[str, Any], code: int
) -> None:
    query = options.pop("query", "")
    with opened(server, port, query, **options) as socket:
        with pytest.raises(ConnectionClosed):
            socket.recv(30)
        assert socket.close_code == code
