"""Bodies over the limit, cut short, or announced wrongly, byte by byte over a real socket (B12, B13)."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.stack import Stack
from tests.inference.api.valve import GOOD

LIMIT = 1024 * 1024
BODY = json.dumps({"features": GOOD}).encode()


@contextmanager
def connected(stack: Stack) -> Iterator[socket.socket]:
    with socket.create_connection((stack.host, stack.port), 20) as connection:
        yield connection


def head(stack: Stack, token: str, *lines: str) -> bytes:
    said = [
        "POST /api/v1/endpoints/valve/predict HTTP/1.1",
        f"Host: {stack.host}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        *lines,
    ]
    return "\r\n".join([*said, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """The first answer on a connection: status, headers, body."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, "the connection ended without an answer"
        received += part
    top, _, body = received.partition(b"\r\n\r\n")
    status, *lines = top.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return int(status.split()[1]), headers, body


def assert_too_large(connection: socket.socket) -> None:
    status, headers, body = answer(connection)
    problem = json.loads(body)
    assert (status, problem["code"], problem["limit"]) == (413, "body_too_large", LIMIT)
    assert headers["connection"] == "close"
    assert connection.recv(1) == b"", "the connection is closed"


def test_a_body_announced_too_large_is_refused_before_it_is_sent(stack: Stack, token: str) -> None:
    with connected(stack) as connection:
        connection.sendall(head(stack, token, f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"))
        status, _, body = answer(connection)
        assert (status, json.loads(body)["code"]) == (413, "body_too_large")


def test_a_body_too_large_is_refused_and_the_refusal_can_be_read(stack: Stack, token: str) -> None:
    with connected(stack) as connection:
        connection.sendall(head(stack, token, f"Content-Length: {2 * LIMIT}") + b" " * 2 * LIMIT)
        assert_too_large(connection)


def test_a_body_of_unannounced_length_is_counted(stack: Stack, token: str) -> None:
    chunk = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    with connected(stack) as connection:
        connection.sendall(head(stack, token, "Transfer-Encoding: chunked") + 17 * chunk + b"0\r\n\r\n")
        assert_too_large(connection)


def test_a_body_just_within_the_limit_is_read(stack: Stack, token: str) -> None:
    body = BODY + b" " * (LIMIT - len(BODY))
    with connected(stack) as connection:
        connection.sendall(head(stack, token, f"Content-Length: {LIMIT}") + body)
        assert answer(connection)[0] == 200


def test_a_chunked_body_is_put_together(stack: Stack, token: str) -> None:
    chunks = b"".join(b"1\r\n" + BODY[at : at + 1] + b"\r\n" for at in range(len(BODY)))
    with connected(stack) as connection:
        connection.sendall(head(stack, token, "Transfer-Encoding: chunked"))
        connection.sendall(chunks[:100])
        connection.sendall(chunks[100:] + b"0\r\n\r\n")
        assert answer(connection)[0] == 200


def test_a_length_that_is_too_short_makes_no_second_request_of_the_rest(stack: Stack, token: str) -> None:
    with connected(stack) as connection:
        connection.sendall(head(stack, token, "Content-Length: 5") + BODY)
        assert answer(connection)[0] == 400
        rest = b""
        while part := connection.recv(65536):
            rest += part
        assert b" 200 " not in rest


@pytest.mark.parametrize(
    "lines",
    [("Content-Length: -1",), ("Content-Length: 5", "Content-Length: 6"), ("Content-Length: x",)],
    ids=["negative", "two", "no number"],
)
def test_a_length_that_is_none_is_refused(stack: Stack, token: str, lines: tuple[str, ...]) -> None:
    """B13"""
    with connected(stack) as connection:
        connection.sendall(head(stack, token, *lines) + BODY)
        assert answer(connection)[0] == 400


def test_two_requests_on_a_connection_are_answered_in_turn(stack: Stack, token: str) -> None:
    request = head(stack, token, f"Content-Length: {len(BODY)}") + BODY
    bad = head(stack, token, "Content-Length: 2") + b"[]"
    with connected(stack) as connection:
        for sent, expected in ((bad, 422), (request, 200), (bad, 422), (request, 200)):
            connection.sendall(sent)
            assert answer(connection)[0] == expected


def test_a_client_that_leaves_in_its_body_disturbs_nobody(stack: Stack, token: str) -> None:
    before = len(stack.web_log())
    with connected(stack) as connection:
        connection.sendall(head(stack, token, "Content-Length: 1000") + BODY)
    with connected(stack) as connection:
        connection.sendall(head(stack, token, f"Content-Length: {len(BODY)}") + BODY)
        assert answer(connection)[0] == 200
    assert "Traceback" not in stack.web_log()[before:]
