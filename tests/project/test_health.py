"""/livez and /readyz of a real process whose servers are taken away."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest

from tests.faults.stack import Stack

PREDICT = "/api/v1/endpoints/shuttle-fault/predict"
TURNS_S = 5.0
"""Within this /readyz has turned after a loss (G16)."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of its own: its servers are killed here."""
    stack = Stack()
    try:
        yield stack.start()
    finally:
        stack.close()


@pytest.fixture(autouse=True)
def healed(stack: Stack) -> None:
    stack.heal()
    worker_seen(stack, "0 s")
    stack.wait_until(lambda: ready(stack)["batch"] is None, "all is ready")


def worker_seen(stack: Stack, ago: str) -> None:
    """Let a worker have been heard of so long ago."""
    stack.sql(
        "INSERT INTO jobs_worker (name, queues, seen_at) VALUES ('worker@test', '[\"batch\"]', now() - %s::interval)"
        " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
        (ago,),
    )


def ready(stack: Stack) -> dict[str, str | None]:
    """By capability: why it is missing, None when it is there."""
    capabilities = stack.get("/readyz").body["capabilities"]
    assert all(one["ready"] is ("reason" not in one) for one in capabilities.values())
    return {name: one.get("reason") for name, one in capabilities.items()}


def becomes(stack: Stack, holds: Callable[[], Any]) -> None:
    """Wait for what must hold within the promised time."""
    stack.wait_until(holds, "/readyz has turned", TURNS_S)


def test_a_process_with_all_its_parts_is_ready(stack: Stack) -> None:
    answer = stack.get("/readyz")
    assert answer.status == 200
    assert answer.body == {
        "status": "ready",
        "capabilities": {
            name: {"ready": True} for name in ("predict", "stream", "audit", "catalog", "models", "batch")
        },
    }


def test_losing_postgres_is_named_and_gives_no_secret_away(stack: Stack) -> None:
    assert stack.postgres.process is not None
    stack.postgres.process.send_signal(signal.SIGKILL)
    stack.postgres.process.wait()
    becomes(stack, lambda: stack.get("/readyz").status == 503)
    reasons = ready(stack)
    assert reasons["batch"] == "Jobs wait: Postgres does not answer."
    assert reasons["audit"] == reasons["predict"] == reasons["stream"]
    assert "Postgres" in str(reasons["audit"])
    assert stack.get("/livez").status == 200
    text = json.dumps(stack.get("/readyz").body)
    assert not [secret for secret in (str(stack.home), "postgresql:", "5432", "shuttle", "/") if secret in text]


def test_a_postgres_that_hangs_counts_as_lost(stack: Stack) -> None:
    assert stack.postgres.process is not None
    # First what starts the others. One of those may have ended by itself since it was asked for.
    stack.postgres.process.send_signal(signal.SIGSTOP)
    others = psutil.Process(stack.postgres.process.pid).children()
    try:
        for other in others:
            with suppress(psutil.NoSuchProcess):
                other.suspend()
        becomes(stack, lambda: stack.get("/readyz").status == 503)
    finally:
        for other in others:
            with suppress(psutil.NoSuchProcess):
                other.resume()
        stack.postgres.process.send_signal(signal.SIGCONT)


def test_losing_redis_stops_no_prediction(stack: Stack) -> None:
    assert stack.valkey.process is not None
    stack.valkey.process.send_signal(signal.SIGKILL)
    stack.valkey.process.wait()
    becomes(stack, lambda: ready(stack)["batch"] is not None)
    assert stack.get("/readyz").status == 200
    assert [name for name, reason in ready(stack).items() if reason] == ["batch"]


def test_without_a_worker_jobs_wait_and_predictions_go_on(stack: Stack) -> None:
    worker_seen(stack, "31 s")
    becomes(stack, lambda: ready(stack)["batch"] == "Jobs wait: no worker was heard of for 30 s.")
    assert stack.get("/readyz").status == 200


def test_a_prediction_without_postgres_is_refused_in_time(stack: Stack) -> None:
    """B51"""
    assert stack.postgres.process is not None
    with asking(stack, authorization=f"Bearer {stack.token}") as client:
        features = {"features": [50, 21, 77, 0, 28, 0, 27, 48, 22]}
        assert client.post(PREDICT, json=features).status_code == 200
        stack.postgres.process.send_signal(signal.SIGKILL)
        stack.postgres.process.wait()
        asked_at_s = time.monotonic()
        answer = client.post(PREDICT, json=features)
        assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert time.monotonic() - asked_at_s < 2 * TURNS_S


def test_probes_need_no_credential_and_no_known_host(stack: Stack) -> None:
    with asking(stack, host="10.1.2.3") as client:
        assert client.get("/livez").json() == {"status": "alive"}
        assert client.get("/readyz").status_code == 200
        assert client.head("/readyz").content == b""
        assert client.get("/api/v1/endpoints/").json()["code"] == "bad_host"


def asking(stack: Stack, **headers: str) -> httpx.Client:
    """A client with these headers."""
    return httpx.Client(base_url=f"http://{stack.host}:{stack.port}", headers=headers, timeout=20)
