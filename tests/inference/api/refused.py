"""A good request, and what every refusal of a bad one looks like."""

import json
from pathlib import Path
from typing import Any

import httpx

from inference.http.problems import URN
from inference.http.register import REGISTER
from tests.inference.api.valve import GOOD

VALVE = "/api/v1/endpoints/valve/predict"
JSON = {"content-type": "application/json"}
BODY = json.dumps({"features": GOOD}).encode()
ROOT = Path(__file__).resolve().parents[3]
LEAKS = ("Traceback", str(ROOT), "site-packages", "SELECT", "psycopg", ".py")


def changed(**features: Any) -> bytes:
    """A good body, but for these features."""
    return json.dumps({"features": {**GOOD, **features}}).encode()


def checked(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer that is one, in the agreed form."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    assert problem["type"] == URN + code
    assert (problem["status"], problem["title"]) == (status, REGISTER[code].title)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert not [leak for leak in LEAKS if leak in answer.text]
    return problem
