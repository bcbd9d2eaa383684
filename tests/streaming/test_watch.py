"""The socket of the Live page, on a real server: who gets in, and what they see."""

import asyncio
import json
from types import SimpleNamespace

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.bench.readings import NAMES
from tests.faults.people import Person, made

READING = {"features": dict(zip(NAMES, (50, 21, 77, 0, 28, 0, 27, 48, 22), strict=True))}


@pytest.fixture(scope="session")
def viewer(server) -> Person:
    return made(server, "vera", "viewer")


def watching(server, cookies: str = "", **headers: str) -> connect:
    """A socket that asks to watch as a browser does, from a page of the server unless `origin` says other."""
    origin = {"origin": f"http://{server.host}:{server.port}"}
    given = {name: value for name, value in (origin | headers).items() if value} | (
        {"cookie": cookies} if cookies else {}
    )
    return connect(f"ws://{server.host}:{server.port}/ws/v1/live", additional_headers=given)


async def read_on(socket: ClientConnection) -> None:
    """Read until the server closes the socket."""
    async with asyncio.timeout(20):
        while True:
            await socket.recv()


async def picture(socket: ClientConnection, holds=lambda endpoint: True) -> dict:
    """The first picture whose shuttle endpoint is as wished; that endpoint."""
    async with asyncio.timeout(20):
        while True:
            drawn = json.loads(await socket.recv())
            for endpoint in drawn["endpoints"]:
                if endpoint["slug"] == "shuttle-fault" and holds(endpoint):
                    return endpoint


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1", "127.0.0.1", "http://["]
)
async def test_a_page_of_another_site_is_refused_with_a_good_session(server, viewer, origin):
    with pytest.raises(InvalidStatus) as refusal:
        await watching(server, viewer.cookies, origin=origin)
    assert refusal.value.response.status_code == 403
    assert json.loads(refusal.value.response.body)["code"] == "origin_not_allowed"


async def test_a_stranger_is_refused(server):
    for cookies, headers in (("", {}), ("sessionid=x", {}), ("", {"authorization": f"Bearer {server.token}"})):
        with pytest.raises(InvalidStatus) as refusal:
            await watching(server, cookies, **headers)
        assert refusal.value.response.status_code == 403


async def test_who_may_not_see_predictions_is_refused(server):
    nobody = made(server, "norbert")
    with pytest.raises(InvalidStatus) as refusal:
        await watching(server, nobody.cookies)
    assert refusal.value.response.status_code == 403


async def test_predictions_over_rest_and_stream_are_seen(server, viewer):
    answered: dict[int, int] = {}
    """By second. A sum of the picture's own is of the last minute: what came before leaves it meanwhile."""

    def noted(endpoint: dict, holds: bool) -> bool:
        answered.update((point["at"], point["predictions"]) for point in endpoint["points"])
        return holds

    device = {"authorization": f"Bearer {server.token}"}
    address = f"ws://{server.host}:{server.port}/ws/v1/endpoints/shuttle-fault/stream"
    async with watching(server, viewer.cookies) as socket, connect(address, additional_headers=device) as stream:
        await picture(socket, lambda endpoint: noted(endpoint, endpoint["sockets"] >= 1))
        before = sum(answered.values())
        await stream.send(json.dumps(READING))
        await stream.send('{"features":{}}')
        told = [json.loads(await stream.recv()) for _ in range(3)]
        asked = await asyncio.to_thread(server.post, "/api/v1/endpoints/shuttle-fault/predict", READING)
        wanted = {told[1]["id"], asked.body["predictions"][0]["id"]}
        after = await picture(
            socket, lambda endpoint: noted(endpoint, wanted <= {one["id"] for one in endpoint["latest"]})
        )
    assert sum(answered.values()) >= before + 2
    assert after["answers"] >= 2
    assert after["version"] == told[1]["version"]
    assert after["rejected"].get("missing_feature", 0) >= 1
    assert after["p50_s"] > 0
    assert {one["source"] for one in after["latest"] if one["id"] in wanted} == {"stream", "rest"}
    assert all(one["output"] == told[1]["output"] for one in after["latest"] if one["id"] in wanted)


async def test_what_a_browser_sends_is_not_read(server, viewer):
    async with watching(server, viewer.cookies) as socket:
        await socket.send('{"type":"live.snapshot","snapshot":{"process":"x","at":1,"endpoints":{}}}')
        await socket.send(b"\x00")
        await picture(socket)
        assert len(json.loads(await socket.recv())["endpoints"]) >= 1


async def test_who_logs_out_is_let_go(server):
    person = made(server, "liv", "viewer")
    async with watching(server, person.cookies) as socket:
        await picture(socket)
        await asyncio.to_thread(person.log_out)
        with pytest.raises(ConnectionClosed) as closed:
            await read_on(socket)
    assert closed.value.rcvd.code == 4401


async def test_who_loses_the_permission_is_let_go(server):
    person = made(server, "petra", "viewer")
    async with watching(server, person.cookies) as socket:
        await picture(socket)
        server.sql("DELETE FROM auth_user_groups WHERE user_id = (SELECT id FROM auth_user WHERE username = 'petra')")
        with pytest.raises(ConnectionClosed) as closed:
            await read_on(socket)
    assert closed.value.rcvd.code == 4403


class LateBrowser:
    """A browser that takes a picture only when `reads` is released. `asked` tells of each that waits for it."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[dict] = asyncio.Queue()
        self.reads, self.asked, self.has_read = (asyncio.Semaphore(0) for _ in range(3))
        self.pictures: list[int] = []

    async def take(self, message: dict) -> None:
        """What the server calls to send."""
        self.asked.release()
        if "text" in message:
            await self.reads.acquire()
            self.pictures.append(json.loads(message["text"])["at"])
            self.has_read.release()


async def test_a_browser_that_reads_late_gets_the_newest_picture_and_no_queue_of_old_ones(clean_tables):
    from channels.layers import get_channel_layer

    from streaming.publisher import SNAPSHOT
    from streaming.watch import WatchConsumer

    taken = asyncio.Semaphore(0)
    own_group = "late"  # in the usual one the other tests' server tells what it does

    class Counting(WatchConsumer):
        groups = (own_group,)

        def changed(self) -> None:
            super().changed()
            taken.release()

    browser, layer = LateBrowser(), get_channel_layer()
    person = SimpleNamespace(is_active=True, is_staff=True, has_perm=lambda _: True)
    scope = {"type": "websocket", "path": "/ws/v1/live", "user": person, "session": SimpleNamespace(session_key="x")}
    browser.says.put_nowait({"type": "websocket.connect"})
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(Counting.as_asgi()(scope, browser.says.get, browser.take))
        await browser.asked.acquire()  # it is let in
        for at in range(1, 11):
            told = {"process": "a", "at": at, "endpoints": {}}
            await layer.group_send(own_group, {"type": SNAPSHOT, "snapshot": told})
            await taken.acquire()
            if at == 1:
                await browser.asked.acquire()  # the first picture waits to be read
        for _ in range(2):
            browser.reads.release()
            await browser.has_read.acquire()
        browser.says.put_nowait({"type": "websocket.disconnect", "code": 1000})
    assert browser.pictures == [1, 10]


@pytest.mark.fault
async def test_without_redis_predictions_go_on_and_watchers_come_back(server, viewer):
    async with watching(server, viewer.cookies) as socket:
        await picture(socket)
        server.valkey.stop()
        try:
            answer = await asyncio.to_thread(server.post, "/api/v1/endpoints/shuttle-fault/predict", READING)
            assert answer.status == 200
            async with asyncio.timeout(20):
                while json.loads(await socket.recv())["processes"]:
                    pass
            with pytest.raises(InvalidStatus) as refusal:
                await watching(server, viewer.cookies)
            assert refusal.value.response.status_code in (403, 503)
        finally:
            server.valkey.start()
        await picture(socket)
    async with watching(server, viewer.cookies) as socket:
        await picture(socket)


def test_the_page_is_for_people_with_a_session_only(server):
    assert httpx.get(f"http://{server.host}:{server.port}/").headers["location"] == "/login/?next=/"
