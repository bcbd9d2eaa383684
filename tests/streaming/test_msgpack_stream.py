"""MessagePack sessions on a real server: the same messages and answers as in JSON, in binary frames."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from tests.faults.stack import ENDPOINT, Stack
from tests.streaming.device import NAMED, READING, ROW, closed, refused, stream
from tests.streaming.device import asked as asked_in_json
from tests.streaming.device import received as received_in_json

packed = msgspec.msgpack.encode
GOOD = packed({"features": ROW})
SPOKEN = "foretell.v1.msgpack"


@asynccontextmanager
async def packed_stream(server: Stack, query: str = "", **options: Any) -> AsyncIterator[ClientConnection]:
    """An open MessagePack socket, its hello still to be received."""
    async with stream(server, query, subprotocols=[SPOKEN], **options) as one:
        assert one.subprotocol == SPOKEN
        yield one


async def received(one: ClientConnection) -> dict[str, Any]:
    frame = await one.recv()
    assert isinstance(frame, bytes)
    return msgspec.msgpack.decode(frame)


async def asked(one: ClientConnection, frame: bytes | str = GOOD) -> dict[str, Any]:
    await one.send(frame)
    return await received(one)


def without_ids(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name not in ("id", "session")}


async def test_the_same_readings_get_the_same_answers_and_the_same_rows(server: Stack) -> None:
    messages: list[dict[str, Any]] = [
        {"features": ROW},
        {"features": NAMED, "seq": 3, "id": "x", "ts": 1e9, "subject": "s"},
        {"type": "readings", "items": [{"features": ROW}, {"features": ROW[1:]}]},
        {"type": "ping", "n": 5},
        {"features": {**NAMED, "s1": "1"}},
        {"type": "nonsense"},
    ]
    async with stream(server) as text, packed_stream(server) as binary:
        hello = await received(binary)
        assert without_ids(hello) == without_ids(await received_in_json(text))
        for message in messages:
            answer = await asked(binary, packed(message))
            expected = await asked_in_json(text, msgspec.json.encode(message).decode())
            for items in (answer, expected):
                items["items"] = [without_ids(item) for item in items.get("items", ())]
            assert without_ids(answer) == without_ids(expected)
    stored = "SELECT features::text, output::text FROM inference_prediction WHERE request_id = %s"
    rows = server.sql(stored, (hello["session"],))
    assert len(rows) == 3
    assert len(set(rows)) == 1


async def test_the_first_that_is_spoken_here_is_chosen_in_the_client_s_order(server: Stack) -> None:
    for offered, chosen in (
        (["mqtt", SPOKEN, "foretell.v1.json"], SPOKEN),
        (["foretell.v1.json", SPOKEN], "foretell.v1.json"),
        ([f"foretell.bearer.{server.token}", "foretell.v9.json", SPOKEN], SPOKEN),
    ):
        async with stream(server, subprotocols=offered) as one:
            assert one.subprotocol == chosen


async def test_a_subprotocol_that_is_not_spoken_is_refused_with_those_that_are(server: Stack) -> None:
    status, problem = await refused(server, subprotocols=["foretell.v9.msgpack"])
    assert (status, problem["code"]) == (400, "bad_subprotocol")
    assert problem["supported"] == ["foretell.v1.json", SPOKEN]


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        (b"\xc1", "malformed_msgpack", None),
        (GOOD[:-1], "malformed_msgpack", None),
        (GOOD + b"\x00", "malformed_msgpack", None),
        (b"\x81\xa8features\xd4\x05\x01", "malformed_msgpack", None),
        (b"\x81\xa8features\xdd\xff\xff\xff\xff", "malformed_msgpack", None),
        (b"\x91" * 60_000, "malformed_msgpack", None),
        (packed({f"k{n}": n for n in range(4000)}), "too_many_fields", None),
        (b"", "empty_frame", None),
        ("", "empty_frame", None),
        (packed([]), "not_an_object", None),
        (packed({"type": "websocket.close"}), "unknown_type", "type"),
        (packed({"features": {**NAMED, "s3": math.nan}}), "not_finite", "s3"),
        (packed({"features": {**NAMED, "s3": -math.inf}}), "not_finite", "s3"),
        (packed({"features": {**NAMED, "s3": 1e39}}), "out_of_range", "s3"),
        (packed({"features": ROW, "seq": 0}), "bad_seq", "seq"),
        (packed({"features": ROW, "seq": 1.0}), "bad_seq", "seq"),
        (packed({"features": ROW, "seq": 2**53}), "bad_seq", "seq"),
        (packed({"features": dict(list(NAMED.items())[1:])}), "missing_feature", "s1"),
        (packed({"features": {**NAMED, "zz": 1}}), "unknown_feature", "zz"),
        (packed({"features": ROW[1:]}), "wrong_shape", None),
        (packed({"features": {**NAMED, "s3": "1"}}), "wrong_type", "s3"),
        (packed({"features": {**NAMED, "s3": None}}), "null_not_allowed", "s3"),
        (packed({"features": ROW, "id": "\x00"}), "invalid_character", "id"),
        (packed({"features": ROW, "id": "x" * 65}), "string_too_long", "id"),
        (packed({"features": ROW, "ts": "2026-11-22T10:00:00"}), "bad_timestamp", "ts"),
    ],
)
async def test_a_bad_frame_has_its_code_and_the_next_reading_is_stored(
    server: Stack, frame: bytes | str, code: str, field: str | None
) -> None:
    """W14 to W16, W19, W20, W22, W27, W34 to W39"""
    async with packed_stream(server, "?hello=short") as one:
        await received(one)
        error = await asked(one, frame)
        assert (error["type"], error["code"], error.get("field")) == ("error", code, field)
        assert (await asked(one))["stored"] is True


async def test_a_clock_far_off_is_suspect_and_stored(server: Stack) -> None:
    """W40"""
    async with packed_stream(server) as one:
        await received(one)
        answer = await asked(one, packed({"features": ROW, "ts": 5}))
    assert (answer["stored"], answer["warnings"]) == (True, ["clock_suspect"])


async def test_a_text_frame_closes_with_1003(server: Stack) -> None:
    """W18"""
    async with packed_stream(server) as one:
        await received(one)
        assert (await asked(one, READING))["code"] == "unsupported_frame"
        assert await closed(one) == 1003


async def test_a_frame_that_is_too_large_closes_with_1009(server: Stack) -> None:
    async with packed_stream(server) as one:
        await received(one)
        await one.send(b"\x00" * 70_000)
        assert await closed(one) == 1009


async def test_a_coalescing_socket_gets_every_answer_in_order(server: Stack) -> None:
    ids = [f"r{number}" for number in range(200)]
    async with packed_stream(server, "?coalesce=1") as one:
        await received(one)
        for id_ in ids:
            await one.send(packed({"features": ROW, "id": id_}))
        got: list[str] = []
        while len(got) < len(ids):
            frame = await received(one)
            got += [item["client_id"] for item in (frame["items"] if frame["type"] == "predictions" else [frame])]
    assert got == ids


async def test_feedback_is_told_in_messagepack_too(server: Stack) -> None:
    scopes = ("--endpoint", ENDPOINT, "--scope", "predict,feedback")
    token = server.manage("device", "create", "packed-teller", *scopes).strip().splitlines()[-1]
    async with packed_stream(server, token=token) as one:
        await received(one)
        id_ = (await asked(one))["id"]
        told = await asked(one, packed({"type": "feedback", "prediction": id_, "value": "fault"}))
    assert told == {"type": "feedback", "prediction": id_, "stored": True, "duplicate": False}
    assert server.sql("SELECT value FROM inference_feedback WHERE prediction_id = %s", (id_,)) == [("fault",)]
