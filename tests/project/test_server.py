"""The web server's socket, limits and processes."""

import logging
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from project.server import FRAME_BYTES, AddressError, Config, listener, raise_open_files_limit
from streaming import session
from tests.ports import free_port
from tests.project.children import alive, until

ECHO = """
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})
    else:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": str(len(message["text"]))})
"""
RUN = """
import sys
from project.server import serve
if __name__ == "__main__":
    serve("127.0.0.1", int(sys.argv[1]), int(sys.argv[2]), "echo:application")
"""


@pytest.fixture
def port():
    """A port that nobody listens on."""
    return free_port()


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def server(request, tmp_path, port):
    """A server of an echo application; its address is at `.address`."""
    (tmp_path / "echo.py").write_text(ECHO)
    (tmp_path / "run.py").write_text(RUN)
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(port), str(request.param)], env=os.environ | {"PYTHONPATH": path}
    )
    process.address = f"127.0.0.1:{port}"
    until(lambda: answers(process.address))
    yield process
    process.kill()
    process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/").text == "here"
    except httpx.TransportError:
        return False


def test_it_serves_without_naming_itself_and_ends_in_good_order(server):
    answer = httpx.get(f"http://{server.address}/")
    assert answer.text == "here"
    assert "server" not in answer.headers
    family = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) in (0, -signal.SIGTERM)
    until(lambda: not any(alive(pid) for pid in family))


def test_frames_up_to_the_limit_pass_and_longer_ones_close_1009(server):
    with connect(f"ws://{server.address}/") as socket_:
        assert "permessage-deflate" not in socket_.response.headers.get("Sec-WebSocket-Extensions", "")
        socket_.send("x" * FRAME_BYTES)
        assert socket_.recv() == str(FRAME_BYTES)
        socket_.send("x" * (FRAME_BYTES + 1))
        with pytest.raises(ConnectionClosedError) as closed:
            socket_.recv()
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("server", [2], indirect=True)
def test_workers_end_with_the_process_that_started_them(server):
    family = [child.pid for child in psutil.Process(server.pid).children(recursive=True)]
    assert len(family) >= 2
    server.kill()
    server.wait()
    until(lambda: not any(alive(pid) for pid in family))


SEEN = """
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{scope['scheme']} {scope['client'][0]}".encode()})
"""


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [([], "http 127.0.0.1"), (["10.0.0.0/8"], "http 127.0.0.1"), (["127.0.0.0/30"], "https 203.0.113.9")],
)
def test_forwarded_headers_are_believed_from_trusted_proxies_only(tmp_path, port, trusted, expected):
    (tmp_path / "seen.py").write_text(SEEN)
    arguments = f"'127.0.0.1', {port}, 1, 'seen:application', trusted_proxies={trusted}"
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    # uvicorn's own variable for the same must not open what TRUSTED_PROXIES leaves closed.
    environment = os.environ | {"PYTHONPATH": path, "FORWARDED_ALLOW_IPS": "*"}
    process = subprocess.Popen(
        [sys.executable, "-c", f"from project.server import serve; serve({arguments})"], env=environment
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        until(lambda: succeeds(url))
        # The first address is the visitor's own claim; the last is what the proxy saw.
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
        assert httpx.get(url, headers=headers).text == expected
        underscored = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "203.0.113.9"}
        assert httpx.get(url, headers=underscored).text == "http 127.0.0.1"
    finally:
        process.terminate()
        process.wait()


def succeeds(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def test_connections_inherit_what_frees_dead_peers(port):
    with listener("127.0.0.1", port) as listening, socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                told = [getattr(socket, f"TCP_KEEP{name}") for name in ("IDLE", "INTVL", "CNT")]
                assert [accepted.getsockopt(socket.IPPROTO_TCP, one) for one in told] == [30, 10, 3]
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_a_taken_port_is_told_with_another_to_try(port):
    with (
        listener("127.0.0.1", port),
        pytest.raises(
            AddressError, match=rf"^Port {port} of 127.0.0.1 is taken by another program.*PORT={port + 1}\.$"
        ),
    ):
        listener("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "2001:db8::1"])
def test_an_address_of_another_machine_is_told(port, host):
    with pytest.raises(AddressError, match=rf"^HOST '{host}' is not an address of this machine: "):
        listener(host, port)


def test_it_may_open_as_many_sockets_as_the_system_allows():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        raise_open_files_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def levels() -> Iterator[None]:
    """Puts back the levels of uvicorn's logs, which its settings change in the process that makes them."""
    logs = [logging.getLogger(f"uvicorn.{name}") for name in ("error", "access", "asgi")]
    before = [log.level for log in logs]
    yield
    for log, level in zip(logs, before, strict=True):
        log.setLevel(level)


@pytest.mark.usefixtures("levels")
def test_the_server_keeps_what_the_hello_promises():
    config = Config("project.asgi:application")
    assert config.ws_max_size == session.FRAME_BYTES
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (session.HEARTBEAT_S, session.HEARTBEAT_S)


def test_serve_with_a_taken_port_says_so_in_one_line_and_exits_with_1(port):
    with listener("127.0.0.1", port):
        done = subprocess.run(
            [sys.executable, "manage.py", "serve"],
            env=os.environ | {"PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"CommandError: Port {port} of 127.0.0.1 is taken by another program. "
        f"Stop it, or choose another: PORT={port + 1}."
    ]
