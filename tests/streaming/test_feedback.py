"""Feedback over a socket of a real server: committed before it is acknowledged, in order, each device on its own."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from websockets.asyncio.client import connect

from inference.engine.example import example
from tests.faults.stack import ENDPOINT, Stack
from tests.streaming.device import READING, address, asked, received, stream

OTHER = "water-flow"
TAKE_AWAY = """\
DELETE FROM inference_credential_endpoints WHERE endpoint_id = (SELECT id FROM inference_endpoint WHERE slug = %s)
"""

ROWS = "SELECT revision, value, source FROM inference_feedback WHERE prediction_id = %s ORDER BY source, revision"


def feedback(prediction: str, value: object, **more: object) -> str:
    return json.dumps({"type": "feedback", "prediction": prediction, "value": value, **more})


@pytest.fixture(scope="module")
def token(server: Stack) -> str:
    """A device that may tell."""
    scopes = ("--endpoint", ENDPOINT, "--scope", "predict,feedback")
    return server.manage("device", "create", "teller", *scopes).strip().splitlines()[-1]


async def test_what_is_acknowledged_is_committed_and_the_last_revision_counts(server: Stack, token: str) -> None:
    async with stream(server, token=token) as one:
        await received(one)
        prediction = (await asked(one))["id"]
        answers = [await asked(one, feedback(prediction, label)) for label in ("fault", "fault", "normal")]
        rows = server.sql(ROWS, (prediction,))
    assert answers == [
        {"type": "feedback", "prediction": prediction, "stored": True, "duplicate": duplicate}
        for duplicate in (False, True, False)
    ]
    assert rows == [(1, "fault", "device:teller"), (2, "normal", "device:teller")]


async def test_answers_come_in_order_with_those_to_readings(server: Stack, token: str) -> None:
    async with stream(server, "?coalesce=1", token=token) as one:
        await received(one)
        prediction = (await asked(one))["id"]
        labels = ["fault", "normal"] * 20
        for label in labels:
            await one.send(READING)
            await one.send(feedback(prediction, label))
        frames: list[dict[str, Any]] = []
        while len(frames) < 80:
            frame = await received(one)
            frames += frame["items"] if frame["type"] == "predictions" else [frame]
    assert [frame["type"] for frame in frames] == ["prediction", "feedback"] * 40
    assert [row[:2] for row in server.sql(ROWS, (prediction,))] == list(enumerate(labels, 1))


async def test_what_a_closing_client_told_is_committed(server: Stack, token: str) -> None:
    async with stream(server, token=token) as one:
        await received(one)
        prediction = (await asked(one))["id"]
        for label in ("fault", "normal", "fault"):
            await one.send(feedback(prediction, label))
    await server.becomes(lambda: len(server.sql(ROWS, (prediction,))) == 3, "all feedback is stored")


async def test_another_device_s_prediction_is_not_there(server: Stack, token: str) -> None:
    """W10"""
    async with stream(server) as other:
        await received(other)
        prediction = (await asked(other))["id"]
    async with stream(server, token=token) as one:
        await received(one)
        errors = [await asked(one, feedback(id_, "fault")) for id_ in (prediction, str(uuid.uuid4()), "x")]
        assert (await asked(one))["stored"] is True
    assert {error["code"] for error in errors} == {"not_found"}
    assert errors[0] == errors[1]
    assert server.sql(ROWS, (prediction,)) == []


async def test_a_credential_that_lost_an_endpoint_can_speak_of_it_no_more_on_an_open_socket(server: Stack) -> None:
    scopes = ("--endpoint", ENDPOINT, "--endpoint", OTHER, "--scope", "predict,feedback")
    token = server.manage("device", "create", "narrowed", *scopes).strip().splitlines()[-1]
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(address(server, endpoint=OTHER), additional_headers=headers) as one:
        features = example(await received(one), {})
        other = (await asked(one, json.dumps({"features": features})))["id"]
    async with stream(server, token=token) as one:
        await received(one)
        mine = (await asked(one))["id"]
        assert (await asked(one, feedback(other, "x")))["code"] == "bad_label"
        server.sql(TAKE_AWAY, (OTHER,))
        async with asyncio.timeout(30):
            while (await asked(one, feedback(other, "x")))["code"] == "bad_label":
                pass
        assert (await asked(one, feedback(other, "x")))["code"] == "not_found"
        assert (await asked(one, feedback(mine, "fault")))["stored"] is True


@pytest.mark.parametrize(
    ("value", "code"), [("leak", "bad_label"), (1, "bad_label"), (True, "bad_label"), (None, "bad_label")]
)
async def test_what_is_no_label_is_refused_and_the_next_reading_is_stored(
    server: Stack, token: str, value: object, code: str
) -> None:
    async with stream(server, token=token) as one:
        await received(one)
        prediction = (await asked(one))["id"]
        error = await asked(one, feedback(prediction, value))
        assert (error["type"], error["code"], error["field"], error["retryable"]) == ("error", code, "value", False)
        assert (await asked(one))["stored"] is True


async def test_without_the_scope_it_is_refused_and_the_socket_stays_open(server: Stack) -> None:
    async with stream(server) as one:
        await received(one)
        prediction = (await asked(one))["id"]
        error = await asked(one, feedback(prediction, "fault"))
        assert (error["type"], error["code"]) == ("error", "insufficient_scope")
        assert (await asked(one))["stored"] is True
    assert server.sql(ROWS, (prediction,)) == []
