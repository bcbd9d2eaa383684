"""Streams on a real server: handshakes, every kind of bad frame, order, back-pressure and the end of a socket."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.faults.stack import ENDPOINT, Stack

ROW = [50, 21, 77, 0, 28, 0, 27, 48, 22]
READING = json.dumps({"features": ROW})
NAMED = dict(zip([f"s{n}" for n in range(1, 10)], ROW, strict=True))


def address(server: Stack, query: str = "", *, endpoint: str = ENDPOINT) -> str:
    return f"ws://{server.host}:{server.port}/ws/v1/endpoints/{endpoint}/stream{query}"


@asynccontextmanager
async def stream(
    server: Stack, query: str = "", *, token: str | None = None, **options: Any
) -> AsyncIterator[ClientConnection]:
    """An open socket, its hello still to be received."""
    headers = options.pop("additional_headers", {"Authorization": f"Bearer {token or server.token}"})
    async with connect(address(server, query), additional_headers=headers, compression=None, **options) as one:
        yield one


async def received(one: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        return json.loads(await one.recv())


async def asked(one: ClientConnection, text: str | bytes = READING) -> dict[str, Any]:
    await one.send(text)
    return await received(one)


async def closed(one: ClientConnection) -> int:
    """Read to the end; the close code."""
    await rest(one)
    return one.close_code or 1006


async def rest(one: ClientConnection) -> list[dict[str, Any]]:
    """Every frame up to the end of the socket."""
    async with asyncio.timeout(20):
        return [json.loads(text) async for text in _until_closed(one)]


async def _until_closed(one: ClientConnection) -> AsyncIterator[str | bytes]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await one.recv()


async def refused(server: Stack, query: str = "", **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and problem document of a handshake that must not open."""
    options.setdefault("additional_headers", {"Authorization": f"Bearer {server.token}"})
    endpoint = options.pop("endpoint", ENDPOINT)
    uri = options.pop("uri", None) or address(server, query, endpoint=endpoint)
    with pytest.raises(InvalidStatus) as refusal:
        await connect(uri, compression=None, **options)
    response = refusal.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)


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


async def test_a_browser_says_who_it_is_by_a_subprotocol_that_is_not_echoed(server: Stack) -> None:
    offered = [f"foretell.bearer.{server.token}", "foretell.v1.json"]
    async with stream(server, additional_headers={}, subprotocols=offered) as one:
        assert one.subprotocol == "foretell.v1.json"
        await received(one)
        assert (await asked(one))["type"] == "prediction"


async def test_a_version_can_be_asked_for(server: Stack) -> None:
    async with stream(server, "?version=logistic_regression-1.0.0") as one:
        assert (await received(one))["version"] == "logistic_regression-1.0.0"
        assert (await asked(one))["version"] == "logistic_regression-1.0.0"


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


# ---- Handshakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"additional_headers": {}}, 401, "missing_token"),
        ({"additional_headers": {"Authorization": "Bearer ft_aaaaaaaa_" + "b" * 43}}, 401, "invalid_token"),
        ({"additional_headers": {"Authorization": "Basic x"}}, 401, "invalid_token"),
        ({"origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ({"origin": "http://["}, 403, "origin_not_allowed"),
        ({"origin": "null"}, 403, "origin_not_allowed"),
        ({"endpoint": "nothing"}, 404, "unknown_endpoint"),
        ({"endpoint": "water-flow"}, 404, "unknown_endpoint"),
        ({"query": "?version=none-1.0.0"}, 404, "unknown_endpoint"),
        ({"subprotocols": ["mqtt"]}, 400, "bad_subprotocol"),
        ({"subprotocols": ["foretell.v9.json"]}, 400, "bad_subprotocol"),
        ({"query": "?epoch="}, 400, "bad_epoch"),
        ({"query": "?epoch=" + "e" * 65}, 400, "bad_epoch"),
        ({"query": "?epoch=%00"}, 400, "bad_epoch"),
        ({"query": "?token=abc"}, 400, "token_in_url"),
        ({"query": "?x=ft_abc"}, 400, "token_in_url"),
    ],
)
async def test_a_handshake_that_can_not_be_served_has_its_status_and_code(
    server: Stack, options: dict[str, Any], status: int, code: str
) -> None:
    query = options.pop("query", "")
    got, problem = await refused(server, query, **options)
    assert (got, problem["code"]) == (status, code)


async def test_an_unknown_address_is_not_found(server: Stack) -> None:
    uri = f"ws://{server.host}:{server.port}/ws/v1/nothing"
    assert (await refused(server, uri=uri))[0] == 404


async def test_a_refused_handshake_leaves_no_line_in_the_log(server: Stack) -> None:
    before = server.web_log()
    for _ in range(5):
        await refused(server, additional_headers={})
    assert server.web_log() == before


async def test_the_page_of_this_server_may_connect(server: Stack) -> None:
    async with stream(server, origin=f"http://{server.host}:{server.port}") as one:
        assert (await received(one))["type"] == "hello"


async def test_a_credential_without_the_scope_is_refused(server: Stack) -> None:
    token = server.manage("key", "create", "reader", "--scope", "read").strip().splitlines()[-1]
    status, problem = await refused(server, additional_headers={"Authorization": f"Bearer {token}"})
    assert (status, problem["code"]) == (403, "insufficient_scope")


async def test_a_good_epoch_is_accepted_and_hello_says_that_nothing_is_numbered_yet(server: Stack) -> None:
    async with stream(server, "?epoch=boot%204") as one:
        assert (await received(one))["last_seq"] is None
        assert (await asked(one, json.dumps({"features": ROW, "seq": 5})))["seq"] == 5


# ---- Bad frames -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "malformed_json"),
        ("", "empty_frame"),
        (b"", "empty_frame"),
        ("[]", "not_an_object"),
        ('{"type":"websocket.close"}', "unknown_type"),
        ("[" * 30_000, "too_deep"),
        (json.dumps({f"k{n}": n for n in range(4000)}), "too_many_fields"),
        (json.dumps({"features": ROW, "seq": -1}), "bad_seq"),
        (json.dumps({"features": {**NAMED, "zz": 1}}), "unknown_feature"),
        (json.dumps({"features": dict(list(NAMED.items())[1:])}), "missing_feature"),
        (json.dumps({"features": ROW[1:]}), "wrong_shape"),
        (json.dumps({"features": ["1", *ROW[1:]]}), "wrong_type"),
        (json.dumps({"features": [True, *ROW[1:]]}), "wrong_type"),
        (json.dumps({"features": [None, *ROW[1:]]}), "null_not_allowed"),
        (json.dumps({"features": [float("nan"), *ROW[1:]]}), "malformed_json"),
        (json.dumps({"features": ROW}).replace("50", "1e999"), "not_finite"),
        (json.dumps({"features": ROW}).replace("50", "1e39"), "out_of_range"),
        (json.dumps({"features": ROW, "ts": "2026-11-22T10:00:00"}), "bad_timestamp"),
        (json.dumps({"features": ROW, "id": "\x00"}), "invalid_character"),
        (json.dumps({"features": ROW, "id": "x" * 65}), "string_too_long"),
    ],
)
async def test_a_bad_frame_has_its_code_and_the_next_reading_is_stored(
    server: Stack, frame: str | bytes, code: str
) -> None:
    async with stream(server) as one:
        await received(one)
        error = await asked(one, frame)
        assert (error["type"], error["code"], error["retryable"]) == ("error", code, False)
        assert error["detail"]
        assert (await asked(one))["stored"] is True


async def test_refused_readings_are_counted_by_device_and_code(server: Stack) -> None:
    token = server.manage("device", "create", "off-scale", "--endpoint", ENDPOINT).strip().splitlines()[-1]
    async with stream(server, token=token) as one:
        await received(one)
        for _ in range(3):
            await asked(one, json.dumps({"features": [-9, *ROW[1:]]}))
    query = (
        "SELECT code, count FROM inference_rejection r JOIN inference_device d ON d.id = r.device_id"
        " WHERE d.name = 'off-scale'"
    )
    await server.becomes(lambda: server.sql(query) == [("out_of_range", 3)], "three rejections are counted")


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x80", 1003), ("x" * 70_000, 1009)],
    ids=["binary", "too large"],
)
async def test_a_frame_that_no_client_of_ours_sends_closes_the_socket(
    server: Stack, frame: str | bytes, code: int
) -> None:
    async with stream(server) as one:
        await one.send(frame)
        assert await closed(one) == code


async def test_fragments_that_add_up_to_too_much_close_with_1009(server: Stack) -> None:
    async with stream(server) as one:
        await one.send(["x" * 30_000] * 3)
        assert await closed(one) == 1009


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),
        (b"\x81\x02{}", 1002),
        (b"\xc1\x82\x00\x00\x00\x00{}", 1002),
        (b"\x83\x82\x00\x00\x00\x00{}", 1002),
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126, 1002),
    ],
    ids=["not UTF-8", "unmasked", "reserved bit", "reserved opcode", "long control frame"],
)
async def test_a_broken_websocket_is_closed_by_its_rule(server: Stack, raw: bytes, code: int) -> None:
    async with stream(server) as one:
        await received(one)
        one.transport.write(raw)
        assert await closed(one) == code


async def test_twenty_protocol_faults_close_with_1008(server: Stack) -> None:
    async with stream(server) as one:
        await received(one)
        for _ in range(20):
            await one.send("nonsense")
        assert await closed(one) == 1008


async def test_a_client_that_closes_has_what_it_sent_committed(server: Stack) -> None:
    async with stream(server) as one:
        hello = await received(one)
        for _ in range(20):
            await one.send(READING)
    query = "SELECT count(*) FROM inference_prediction WHERE request_id = %s"
    await server.becomes(lambda: server.sql(query, (hello["session"],))[0][0] == 20, "all readings are stored")


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


# ---- What happens to an open stream --------------------------------------------------------------------------------


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
