"""Which devices the pages show as connected, on a real server."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.sync.client import connect

from tests.faults.people import Person, made


@pytest.fixture(scope="session")
def onlooker(server) -> Person:
    return made(server, "otto", "viewer")


@contextmanager
def stream(server) -> Iterator[None]:
    """A socket of the device `probe`, past its hello."""
    address = f"ws://{server.host}:{server.port}/ws/v1/endpoints/shuttle-fault/stream"
    with connect(address, additional_headers={"authorization": f"Bearer {server.token}"}) as socket:
        socket.recv()
        yield


def shows(onlooker: Person, words: str):
    """Asks whether both pages of devices say so; the filter agrees with them."""

    def said() -> bool:
        with httpx.Client(base_url=onlooker.address, headers={"cookie": onlooker.cookies}, timeout=20) as browser:
            page = browser.get("/devices/probe/").text
            connected = browser.get("/inference/device/?connected=1").text
        return words in page and ("/devices/probe/" in connected) is (words != "not connected")

    return said


def test_a_device_is_connected_as_long_as_it_has_a_socket(server, onlooker):
    server.wait_until(shows(onlooker, "not connected"), "nothing is open")
    with stream(server):
        server.wait_until(shows(onlooker, "1 socket since"), "the socket is shown")
        with stream(server):
            server.wait_until(shows(onlooker, "2 sockets since"), "both sockets are shown")
        server.wait_until(shows(onlooker, "1 socket since"), "one socket is left")
    server.wait_until(shows(onlooker, "not connected"), "the last socket is gone")


@pytest.mark.fault
def test_the_sockets_of_a_killed_process_are_not_shown(server, onlooker):
    with stream(server):
        server.wait_until(shows(onlooker, "1 socket since"), "the socket is shown")
        server.web_kill()
    server.sql("UPDATE inference_webprocess SET heard_at = heard_at - interval '15 seconds'")
    server.heal()
    assert shows(onlooker, "not connected")()
    with stream(server):
        server.wait_until(shows(onlooker, "1 socket since"), "the new socket alone is shown")


def test_a_process_that_ends_takes_its_sockets_along(server, onlooker):
    with stream(server):
        server.wait_until(shows(onlooker, "1 socket since"), "the socket is shown")
        server.web_stop()
        living = "SELECT count(*) FROM inference_webprocess WHERE heard_at > now() - interval '15 seconds'"
        assert server.sql(living) == [(0,)]
    server.heal()
