"""Errors as problem documents."""

import json

import pytest

from inference.engine.errors import ForetellError, InvalidInput, PredictTimeout, Problem
from inference.errors import Overloaded, StorageFull
from inference.http import problems

REQUEST = "0198c0de-0000-7000-8000-000000000000"


def shown(error: Exception) -> dict:
    return json.loads(problems.reply(error, REQUEST).body)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        (("features", "s4"), "/features/s4"),
        (("instances", 3, "a/b~c"), "/instances/3/a~1b~0c"),
        (("\ud800",), "/?"),
        (("x" * 300,), "/" + "x" * 256),
    ],
)
def test_a_path_becomes_a_pointer(path: tuple[str | int, ...], expected: str) -> None:
    assert problems.pointer(path) == expected


def test_more_problems_than_are_listed_are_counted() -> None:
    some = [Problem("wrong_type", ("instances", n), "no number") for n in range(problems.MAX_LISTED + 5)]
    document = shown(InvalidInput(*some))
    assert len(document["errors"]) == problems.MAX_LISTED
    assert "5 more" in document["detail"]


@pytest.mark.parametrize(
    ("error", "status", "at_least_s"),
    [(Overloaded(1500), 503, 2), (PredictTimeout("m-1.0.0", 5.0), 504, 1), (StorageFull(), 503, 30)],
)
def test_what_may_be_asked_again_says_when(error: ForetellError, status: int, at_least_s: int) -> None:
    """B50, B52"""
    reply = problems.reply(error, REQUEST)
    assert reply.status == status
    assert int(dict(reply.headers)[b"retry-after"]) >= at_least_s


class Unlisted(ForetellError):
    """An error nobody has given a status."""

    code = "unlisted"


@pytest.mark.parametrize("error", [ValueError("secret"), Unlisted("secret")])
def test_what_nobody_listed_is_internal_and_logged(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    document = shown(error)
    assert document["code"] == "internal"
    assert REQUEST in document["detail"]
    assert "secret" not in json.dumps(document)
    assert "secret" in caplog.text
