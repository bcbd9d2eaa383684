"""The error contract over REST for all but a body's contents, row by row: numbers are those of docs/errors.md."""

import datetime
import json

import httpx
import pytest

from tests.faults.stack import Stack
from tests.inference.api.conftest import Key
from tests.inference.api.refused import BODY, JSON, VALVE, changed, checked
from tests.inference.api.valve import GOOD

HEADERS = [
    ("B9 none", {}, 415, "unsupported_media_type"),
    ("B9 text", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
    ("B9 pickle", {"content-type": "application/x-python-pickle"}, 415, "unsupported_media_type"),
    ("B9 charset", {"content-type": "application/json; charset=utf-16"}, 415, "unsupported_media_type"),
    ("B10", {**JSON, "accept": "text/html"}, 406, "not_acceptable"),
    ("B10 refused", {**JSON, "accept": "application/json;q=0, */*"}, 406, "not_acceptable"),
    ("B11", {**JSON, "content-encoding": "gzip"}, 415, "unsupported_encoding"),
    ("B17 scheme", {**JSON, "authorization": "Basic Zm9vOmJhcg=="}, 401, "invalid_token"),
    ("B17 malformed", {**JSON, "authorization": "Bearer ft_nope"}, 401, "invalid_token"),
    ("B17 unknown", {**JSON, "authorization": f"Bearer ft_aaaaaaaa_{'a' * 43}"}, 401, "invalid_token"),
    ("B68 bad host", {**JSON, "host": "evil.example"}, 400, "bad_host"),
    ("B68 long", {**JSON, "x-long": "x" * 9000}, 431, "headers_too_large"),
    ("B68 many", {**JSON, **{f"x-{n}": "1" for n in range(200)}}, 431, "headers_too_large"),
]


@pytest.mark.parametrize(("headers", "status", "code"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_headers_that_cannot_be_used_get_their_code(
    client: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    problem = checked(client.post(VALVE, content=BODY, headers=headers), status, code)
    if status == 415:
        assert problem["accepted"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_ways_to_say_json_are_accepted(client: httpx.Client, content_type: str) -> None:
    headers = {"content-type": content_type, "accept": "text/html, application/*;q=0.5", "content-encoding": "identity"}
    assert client.post(VALVE, content=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("authorization", [None, ""])
def test_no_credential_is_401_and_says_how(client: httpx.Client, authorization: str | None) -> None:
    """B16"""
    del client.headers["authorization"]
    headers = JSON if authorization is None else {**JSON, "authorization": authorization}
    answer = client.post(VALVE, content=BODY, headers=headers)
    checked(answer, 401, "missing_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="foretell"'


def test_revoked_and_unknown_credentials_look_alike(client: httpx.Client, key: Key) -> None:
    """B17"""
    texts = []
    for token in (key("predict", revoked=True), f"ft_aaaaaaaa_{'a' * 43}"):
        answer = client.post(VALVE, content=BODY, headers={**JSON, "authorization": f"Bearer {token}"})
        problem = checked(answer, 401, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        texts.append({name: value for name, value in problem.items() if name != "request_id"})
    assert texts[0] == texts[1]


def test_an_expired_credential_is_told_so(client: httpx.Client, key: Key) -> None:
    """B17"""
    token = key("predict", expires_at=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    answer = client.post(VALVE, content=BODY, headers={**JSON, "authorization": f"Bearer {token}"})
    checked(answer, 401, "token_expired")


def test_a_cookie_is_no_credential(client: httpx.Client, token: str) -> None:
    del client.headers["authorization"]
    answer = client.post(VALVE, content=BODY, headers={**JSON, "cookie": f"sessionid={token}"})
    checked(answer, 401, "missing_token")


SCOPES = [
    ("POST", VALVE, ("read", "feedback", "jobs"), "predict"),
    ("GET", "/api/v1/predictions/0198c0de-0000-7000-8000-000000000000", ("predict", "feedback"), "read"),
    ("GET", "/api/v1/endpoints/", ("feedback", "jobs"), "predict or read"),
    ("GET", "/api/v1/endpoints/valve/", ("feedback",), "predict or read"),
]


@pytest.mark.parametrize(("method", "path", "scopes", "needed"), SCOPES)
def test_a_credential_without_the_scope_is_refused(
    client: httpx.Client, key: Key, method: str, path: str, scopes: tuple[str, ...], needed: str
) -> None:
    """B18"""
    headers = {**JSON, "authorization": f"Bearer {key(*scopes)}"}
    problem = checked(client.request(method, path, headers=headers, content=BODY), 403, "insufficient_scope")
    assert needed in problem["detail"]


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "Token", "anything"])
def test_a_credential_in_the_query_is_refused(client: httpx.Client, token: str, name: str) -> None:
    """B19"""
    value = token if name == "anything" else "x"
    problem = checked(client.post(VALVE, params={name: value}, content=BODY, headers=JSON), 400, "token_in_url")
    assert token not in json.dumps(problem)


@pytest.mark.parametrize(
    "query", ["verison=table-1.0.0", "version=table-1.0.0&version=table-1.0.0", "&".join("abc=1" for _ in range(99))]
)
def test_a_query_that_is_not_understood_is_refused(client: httpx.Client, query: str) -> None:
    checked(client.post(f"{VALVE}?{query}", content=BODY, headers=JSON), 400, "unknown_filter")


def test_an_endpoint_outside_the_credential_is_as_absent(client: httpx.Client, key: Key) -> None:
    """B20, B21"""
    headers = {**JSON, "authorization": f"Bearer {key('predict', 'read', endpoints=('water-flow',))}"}
    details = []
    for slug in ("valve", "nosuch"):
        path = f"/api/v1/endpoints/{slug}/predict"
        problem = checked(client.post(path, content=BODY, headers=headers), 404, "unknown_endpoint")
        details.append(problem["detail"].replace(slug, "…"))
        checked(client.get(f"/api/v1/endpoints/{slug}/", headers=headers), 404, "unknown_endpoint")
    assert details[0] == details[1]
    assert "water-flow" not in details[0]


@pytest.mark.parametrize("tag", ["table-9.9.9", "", "../../etc/passwd", "x" * 5000])
def test_an_unknown_version_is_not_found(client: httpx.Client, tag: str) -> None:
    """B21"""
    answer = client.post(VALVE, params={"version": tag}, content=BODY, headers=JSON)
    problem = checked(answer, 404, "unknown_endpoint")
    assert "table-1.0.0" not in problem["detail"]


def test_an_endpoint_without_a_version_is_unavailable(client: httpx.Client) -> None:
    """B22"""
    answer = client.post("/api/v1/endpoints/idle/predict", content=BODY, headers=JSON)
    checked(answer, 503, "model_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


METHODS = [
    ("GET", VALVE, "POST, OPTIONS"),
    ("DELETE", VALVE, "POST, OPTIONS"),
    ("TRACE", VALVE, "POST, OPTIONS"),
    ("BREW", VALVE, "POST, OPTIONS"),
    ("POST", "/api/v1/endpoints/", "GET, HEAD, OPTIONS"),
    ("PUT", "/api/v1/predictions/0198c0de-0000-7000-8000-000000000000", "GET, HEAD, OPTIONS"),
    ("POST", "/livez", "GET, HEAD, OPTIONS"),
]


@pytest.mark.parametrize(("method", "path", "allow"), METHODS)
def test_a_wrong_method_is_told_the_right_ones(client: httpx.Client, method: str, path: str, allow: str) -> None:
    """B14"""
    answer = client.request(method, path)
    if method == "BREW" and answer.status_code == 400:
        return  # llhttp knows a fixed list of methods
    checked(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


def test_options_says_the_methods(client: httpx.Client) -> None:
    answer = client.options(VALVE)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (200, "POST, OPTIONS", b"")


PATHS = ["/api/", "/api/nope", "/api/v1/endpoints", "/api/v1/endpoints//predict", "/api/v2/x", "/api/v1/%00"]


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_path_is_a_problem_document(client: httpx.Client, path: str) -> None:
    """B15"""
    for method in ("GET", "POST"):
        checked(client.request(method, path), 404, "not_found")


def test_a_forgotten_slash_is_pointed_out(client: httpx.Client) -> None:
    problem = checked(client.get("/api/v1/endpoints"), 404, "not_found")
    assert "did you mean /api/v1/endpoints/?" in problem["detail"]


def test_a_model_that_raises_is_a_stored_failure(client: httpx.Client, stack: Stack) -> None:
    """B53"""
    answer = client.post(VALVE, content=changed(count=5000), headers=JSON)
    problem = checked(answer, 500, "model_error")
    rows = stack.sql("SELECT output, error FROM inference_prediction WHERE request_id = %s", (problem["request_id"],))
    assert rows == [(None, "model_error")]


def test_one_instance_that_fails_fails_the_request(client: httpx.Client, stack: Stack) -> None:
    """B53: an answer with 500 leaves failed rows only (G6)."""
    answer = client.post(VALVE, json={"instances": [GOOD, {**GOOD, "count": 5000}]})
    problem = checked(answer, 500, "model_error")
    rows = stack.sql("SELECT output, error FROM inference_prediction WHERE request_id = %s", (problem["request_id"],))
    assert rows == [(None, "model_error")] * 2


def test_no_credential_reaches_the_log(stack: Stack, client: httpx.Client, token: str) -> None:
    client.post(VALVE, params={"access_token": token}, content=BODY, headers=JSON)
    log = stack.web_log()
    assert token not in log
    assert token.split("_", 2)[2] not in log
