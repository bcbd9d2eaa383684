"""Streams on a real server: answers, order, back-pressure and the end of a socket."""

import asyncio
import json
import socket

import pytest
from websockets.asyncio.client import connect

from tests.faults.stack import ENDPOINT, Stack
from tests.streaming.device import NAMED, READING, ROW, address, asked, closed, received, refused, rest, stream

# ---- Hello world ----------------------------------------------------------------------------------------------------


async def test_a_reading_is_answered_by_a_stored_prediction(server: Stack) -> None:
    async with stream(server) as one:
        hello = await received(one)
        answer = await asked(one)
    assert hello["type"] == "hello"
    assert [given["name"] for given in hello["inputs"]] == list(NAMED)
    assert answer["type"] == "prediction"
    assert answer["stored"] is True
    ((output, features, device, request_id),) = server.sql(
        "SELECT output, features, d.name, request_id FROM inference_prediction p"
        " JOIN inference_device d ON d.id = p.device_id WHERE p.id = %s",
        (answer["id"],),
    )
    assert output == answer["output"]
    assert features == [float(value) for value in ROW]
    assert device == "probe"
    assert str(request_id) == hello["session"]


async def test_names_and_order_give_the_same_answer(server: Stack) -> None:
    async with stream(server, "?hello=short") as one:
        assert "inputs" not in await received(one)
        by_name = await asked(one, json.dumps({"features": NAMED}))
        in_order = await asked(one)
    assert by_name["output"] == in_order["output"]


async def test_answers_come_in_order_and_belong_to_their_readings(server: Stack) -> None:
    async with stream(server) as one:
        await received(one)
        ids = [f"r{number}" for number in range(300)]

        async def send() -> None:
            for number, id_ in enumerate(ids):
                await one.send(json.dumps({"features": [*ROW[:-1], number], "id": id_}))

        sending = asyncio.create_task(send())
        answers = [await received(one) for _ in ids]
        await sending
    assert [answer["client_id"] for answer in answers] == ids
    rows = dict(
        server.sql(
            "SELECT id::text, features->>8 FROM inference_prediction WHERE id = ANY(%s::uuid[])",
            ([answer["id"] for answer in answers],),
        )
    )
    assert [float(rows[answer["id"]]) for answer in answers] == list(range(300))


async def test_a_batch_is_answered_in_one_frame(server: Stack) -> None:
    items = [{"features": ROW}, {"features": ROW[:2]}, {"features": NAMED, "id": "b"}]
    async with stream(server) as one:
        await received(one)
        answer = await asked(one, json.dumps({"type": "readings", "items": items}))
    assert [(item["type"], item.get("code"), item.get("client_id")) for item in answer["items"]] == [
        ("prediction", None, None),
        ("error", "wrong_shape", None),
        ("prediction", None, "b"),
    ]


async def test_a_coalescing_socket_gets_every_answer_in_order(server: Stack) -> None:
    ids = [f"r{number}" for number in range(200)]
    async with stream(server, "?coalesce=1") as one:
        await received(one)
        for id_ in ids:
            await one.send(json.dumps({"features": ROW, "id": id_}))
        got: list[str] = []
        while len(got) < len(ids):
            frame = await received(one)
            got += [item["client_id"] for item in (frame["items"] if frame["type"] == "predictions" else [frame])]
    assert got == ids


async def test_a_ping_is_answered(server: Stack) -> None:
    async with stream(server) as one:
        await received(one)
        assert await asked(one, '{"type":"ping","n":7}') == {"type": "pong", "n": 7}


# ---- Back-pressure --------------------------------------------------------------------------------------------------


async def test_a_client_that_does_not_read_is_not_read_from_and_loses_nothing(server: Stack) -> None:
    """More readings than window and buffers hold: the sender must stall, and go on when answers are read."""
    raw = socket.socket()
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        raw.setsockopt(socket.SOL_SOCKET, buffer, 4096)
    raw.connect((server.host, server.port))
    async with connect(
        address(server),
        sock=raw,
        additional_headers={"Authorization": f"Bearer {server.token}"},
        compression=None,
        max_queue=1,
    ) as one:
        sent = 0

        async def push() -> None:
            nonlocal sent
            while sent < 2_000:
                await one.send(json.dumps({"type": "readings", "items": [{"features": ROW, "id": str(sent)}] * 256}))
                sent += 1

        pushing = asyncio.create_task(push())
        stalled_at = -1
        while stalled_at != sent:
            stalled_at = sent
            await asyncio.wait({pushing}, timeout=0.5)
        assert sent < 2_000
        got = [await received(one) for _ in range(sent + 1)]
        pushing.cancel()
    assert [{item["client_id"] for item in answer["items"]} for answer in got[1:]] == [
        {str(n)} for n in range(len(got) - 1)
    ]


# ---- What happens to an open stream ---------------------------------------------------------------------------------


async def test_a_client_that_closes_has_what_it_sent_committed(server: Stack) -> None:
    async with stream(server) as one:
        hello = await received(one)
        for _ in range(20):
            await one.send(READING)
    query = "SELECT count(*) FROM inference_prediction WHERE request_id = %s"
    await server.becomes(lambda: server.sql(query, (hello["session"],))[0][0] == 20, "all readings are stored")


async def test_a_revoked_credential_closes_its_socket(server: Stack) -> None:
    token = server.manage("device", "create", "short-lived", "--endpoint", ENDPOINT).strip().splitlines()[-1]
    async with stream(server, token=token) as one:
        await received(one)
        server.manage("key", "revoke", token.split("_")[1])
        assert (await received(one))["code"] == "token_revoked"
        assert await closed(one) == 4401


async def test_a_disabled_device_is_closed_and_not_let_in_again(server: Stack) -> None:
    token = server.manage("device", "create", "broken", "--endpoint", ENDPOINT).strip().splitlines()[-1]
    async with stream(server, token=token) as one:
        await received(one)
        server.manage("device", "disable", "broken")
        assert (await received(one))["code"] == "device_disabled"
        assert await closed(one) == 4403
    status, problem = await refused(server, additional_headers={"Authorization": f"Bearer {token}"})
    assert (status, problem["code"]) == (403, "device_disabled")


async def test_another_version_goes_live_without_a_reconnect(server: Stack) -> None:
    async with stream(server) as one:
        live = (await received(one))["version"]
        for tag in ("logistic_regression-1.0.0", live):
            server.manage("deploy", "--endpoint", ENDPOINT, "--version", tag, "--reason", "test")
            event = await received(one)
            assert event == {"type": "event", "event": "version_changed", "version": tag}
            assert (await asked(one))["version"] == tag


async def test_sigterm_answers_what_is_in_flight_and_closes_with_1012() -> None:
    stack = Stack()
    try:
        stack.start()
        async with stream(stack) as one:
            await received(one)
            for _ in range(50):
                await one.send(READING)
            first = await received(one)
            assert stack.web is not None
            stack.web.terminate()
            frames = [first, *await rest(one)]
            assert one.close_code == 1012
        await asyncio.to_thread(stack.web.wait, 15)
        answered = [frame for frame in frames if frame["type"] == "prediction"]
        assert frames[-1]["event"] == "draining"
        assert 500 <= frames[-1]["retry_after_ms"] <= 15_000
        ((stored,),) = stack.sql("SELECT count(*) FROM inference_prediction")
        assert stored == len(answered)
    finally:
        stack.close()


@pytest.mark.long
@pytest.mark.fault
async def test_sigterm_ends_a_process_in_time_that_waits_for_postgres() -> None:
    stack = Stack()
    try:
        stack.start()
        async with stream(stack) as one:
            await received(one)
            await asked(one)
            stack.postgres.kill()
            await one.send(READING)
            assert (await received(one))["event"] == "paused"
            assert stack.web is not None
            stack.web.terminate()
            await asyncio.to_thread(stack.web.wait, 15)
            *_, last = await rest(one)
            assert last["event"] == "draining"
            assert (one.close_code, one.close_reason) == (1012, f"draining;after_ms={last['retry_after_ms']}")
    finally:
        stack.close()
