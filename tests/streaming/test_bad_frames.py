"""Bad frames on a real server: each has its code, or closes its socket by the rule for it."""

import json

import pytest

from tests.faults.stack import ENDPOINT, Stack
from tests.streaming.device import NAMED, ROW, asked, closed, received, stream


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
        "SELECT code, sum(count)::int FROM inference_rejection r JOIN inference_device d ON d.id = r.device_id"
        " WHERE d.name = 'off-scale' GROUP BY code"
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
