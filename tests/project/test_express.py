"""Which paths the express lane takes, and what it says to the others; its views under Django's handler."""

import json

import pytest
from django.test import AsyncClient

from inference.http.requests import Request
from inference.http.views import ExpressView
from project import express
from tests.project.lane import taken

OURS = ["/livez", "/readyz", "/api/v1/endpoints/", "/api/v1/endpoints/x/predict", "/api/nope", "/api/", "/api/v1/x/"]
OTHERS = ["/", "/login/", "/api/schema/", "/api/docs/", "/static/x.css", "/apix", "/livez/"]


@pytest.mark.parametrize("path", OURS)
async def test_the_data_plane_is_taken(path: str) -> None:
    assert await taken(path)


@pytest.mark.parametrize("path", OTHERS)
async def test_what_is_django_s_is_left_to_it_untouched(path: str) -> None:
    assert not await taken(path)


async def test_only_paths_of_a_usual_length_are_remembered() -> None:
    usual, long = (f"/api/v1/endpoints/{'x' * length}/predict" for length in (100, 60_000))
    assert await taken(usual)
    assert await taken(long)
    assert usual in express._known
    assert long not in express._known


async def ask(view: type[ExpressView], method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The answer of a view to one request straight from ASGI."""
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    listed = [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()]
    scope = {"type": "http", "method": method, "path": "/x", "query_string": b"", "headers": listed}
    await view.serve(scope, receive, send, {})
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message["body"] for message in sent[1:])


class Open(ExpressView):
    """A view for these tests."""

    authentication_classes = []
    permission_classes = []

    async def get(self, request: Request) -> bytes:
        """Answer, or fail as nobody meant it to."""
        if b"x-fail" in request.headers:
            raise RuntimeError("a secret of /etc/passwd")
        return b'{"fine":true}'


async def test_a_fault_of_ours_is_told_by_its_request_id_only(caplog: pytest.LogCaptureFixture) -> None:
    status, headers, body = await ask(Open, **{"x-fail": "1"})
    problem = json.loads(body)
    assert (status, problem["code"]) == (500, "internal")
    assert "secret" not in body.decode()
    assert problem["request_id"] == headers["x-request-id"]
    assert problem["request_id"] in caplog.text
    assert "a secret of /etc/passwd" in caplog.text


class Default(ExpressView):
    """A view that says nothing of who may use it."""

    async def get(self, request: Request) -> bytes:
        """Never reached."""
        raise AssertionError


async def test_before_the_process_has_started_a_caller_is_told_to_wait() -> None:
    status, headers, body = await ask(Default)
    assert (status, json.loads(body)["code"]) == (503, "model_unavailable")
    assert int(headers["retry-after"]) >= 1


@pytest.mark.parametrize("host", ["", "evil.example", "localhost:x", "a, localhost"])
async def test_a_foreign_host_is_refused(host: str) -> None:
    status, _, body = await ask(Open, host=host)
    assert (status, json.loads(body)["code"]) == (400, "bad_host")


async def test_the_same_view_answers_under_django_s_handler() -> None:
    client = AsyncClient(headers={"host": "localhost"})
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    refused = await client.post("/api/v1/endpoints/x/predict", data="{}", content_type="application/json")
    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == "application/problem+json"
