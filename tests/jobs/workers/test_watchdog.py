"""A worker that does not hear itself, on a real Valkey. That a real worker ends then is a test of the fault kit."""

import pytest
import redis
from celery.worker import state

from jobs.workers import watchdog
from jobs.workers.watchdog import MISSES, Watchdog
from project.celery import app

NAME = "worker@watched"


@pytest.fixture
def ends() -> list[str]:
    return []


@pytest.fixture
def watched(ends: list[str], redis_url: str) -> Watchdog:
    with redis.Redis.from_url(redis_url) as client:
        client.delete(NAME + watchdog.OWN_QUEUE)
    return Watchdog(app, NAME, lambda: ends.append(NAME))


def test_a_worker_that_hears_itself_goes_on(watched: Watchdog, ends: list[str]) -> None:
    for _ in range(3 * MISSES):
        watched.look()
        watched.heard()
    assert ends == []


def test_a_deaf_worker_ends_after_two_misses(watched: Watchdog, ends: list[str]) -> None:
    """P55"""
    for _ in range(MISSES):
        watched.look()
        assert ends == []
    watched.look()
    assert ends == [NAME]


def test_a_miss_that_is_followed_by_a_hit_is_forgotten(watched: Watchdog, ends: list[str]) -> None:
    for _ in range(3):
        watched.look()
        watched.look()
        watched.heard()
    watched.look()
    assert ends == []


def test_a_worker_at_work_need_not_hear(watched: Watchdog, ends: list[str]) -> None:
    """It takes no more messages than it can work on."""
    state.reserved_requests.add(work := type("Work", (), {})())
    try:
        for _ in range(3 * MISSES):
            watched.look()
    finally:
        state.reserved_requests.discard(work)
    assert ends == []


def test_while_redis_is_away_nobody_is_deaf(
    watched: Watchdog, ends: list[str], settings: pytest.FixtureRequest
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for _ in range(3 * MISSES):
        watched.look()
    assert ends == []


def test_messages_to_a_worker_that_is_gone_do_not_stay(watched: Watchdog, redis_url: str) -> None:
    watched.look()
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen(NAME + watchdog.OWN_QUEUE) == 1
        assert 0 < client.ttl(NAME + watchdog.OWN_QUEUE) <= watchdog.KEPT_S
