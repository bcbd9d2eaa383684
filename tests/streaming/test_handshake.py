"""Handshakes on a real server: who gets a socket, and what the others are told."""

import json
from typing import Any

import pytest

from tests.faults.stack import Stack
from tests.streaming.device import ROW, asked, received, refused, stream


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
