"""The revision row: what counts it up, and who hears of it."""

import asyncio
import threading

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from inference.database import Database
from inference.models import Credential, Deployment, Device, Endpoint, Revision, Version
from inference.revision import STALE_AFTER_S
from inference.revision import Revision as Follower
from inference.services import credential_create, device_create, device_disable


@pytest.fixture
def flow(clean_tables):
    """An endpoint with two versions, the first one live."""
    endpoint = Endpoint.objects.create(slug="flow", name="Flow", folder="flow", signature={}, signature_digest="-")
    versions = [
        Version.objects.create(
            endpoint=endpoint, algorithm="line", major=1, minor=minor, patch=0, digest="-", manifest={}
        )
        for minor in (0, 1)
    ]
    Deployment.objects.create(
        endpoint=endpoint, version=versions[0], started_at=timezone.now(), actor="test", reason="first"
    )
    return endpoint


def _number():
    return Revision.objects.get().number


def test_every_change_of_what_is_live_counts(flow):
    changes = [
        lambda: Endpoint.objects.create(slug="leak", name="L", folder="l", signature={}, signature_digest="-"),
        lambda: Endpoint.objects.filter(slug="leak").update(audit="off"),
        lambda: Endpoint.objects.filter(slug="leak").update(retired_at=timezone.now()),
        lambda: Version.objects.create(
            endpoint=flow, algorithm="line", major=2, minor=0, patch=0, digest="-", manifest={}
        ),
        lambda: Deployment.objects.update(ended_at=timezone.now()),
        lambda: Deployment.objects.create(
            endpoint=flow, version=Version.objects.first(), started_at=timezone.now(), actor="test", reason="next"
        ),
    ]
    _assert_each_counts(changes)


def test_every_change_of_who_may_ask_counts(flow):
    owner = get_user_model().objects.create(username="ada")
    device = device_create(name="pump", owner=owner, actor="test").credential.device
    changes = [
        lambda: credential_create(service="report", scopes=["read"], actor="test"),
        lambda: device_disable(device=device, actor="test"),
        lambda: Credential.objects.update(scopes=["predict"]),
        lambda: Credential.objects.update(expires_at=timezone.now()),
        lambda: Credential.objects.update(revoked_at=timezone.now()),
        lambda: Credential.objects.first().endpoints.add(flow),
        lambda: Credential.objects.filter(endpoints=flow).get().endpoints.clear(),
        lambda: get_user_model().objects.update(is_active=False),
        lambda: Credential.objects.all().delete(),
        lambda: Device.objects.all().delete(),
    ]
    _assert_each_counts(changes)


def _assert_each_counts(changes):
    for position, change in enumerate(changes):
        before = _number()
        change()
        assert _number() > before, f"change {position} was not counted"


def test_what_nobody_follows_does_not_count(flow):
    user = get_user_model().objects.create(username="ada")
    before = _number()
    get_user_model().objects.filter(pk=user.pk).update(last_login=timezone.now())
    Endpoint.objects.update(owner=user)
    Device.objects.create(name="pump")
    Device.objects.update(description="in the cellar")
    assert _number() == before


def test_a_change_that_is_rolled_back_does_not_count(flow):
    before = _number()
    with transaction.atomic():
        Endpoint.objects.update(audit="off")
        transaction.set_rollback(True)
    assert _number() == before


def test_counting_up_makes_nobody_wait_before_the_commit(flow):
    """Counted up at once, the second transaction here would wait for the first one's revision row."""
    Endpoint.objects.create(slug="leak", name="L", folder="l", signature={}, signature_digest="-")
    done = threading.Event()

    def change_the_other() -> None:
        Endpoint.objects.filter(slug="leak").update(audit="off")
        connection.close()
        done.set()

    thread = threading.Thread(target=change_the_other)
    with transaction.atomic():
        Endpoint.objects.filter(slug="flow").update(audit="off")
        thread.start()
        assert done.wait(20)
    thread.join()


async def test_listeners_hear_of_a_change_by_another_connection(clean_tables, revision):
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(device_create)(name="pump", actor="test")
    await asyncio.wait_for(heard.wait(), 20)


async def test_a_listener_that_has_left_hears_nothing(clean_tables, revision):
    heard, left = asyncio.Event(), []
    revision.subscribe(lambda: left.append(1))()
    revision.subscribe(heard.set)
    await sync_to_async(device_create)(name="pump", actor="test")
    await asyncio.wait_for(heard.wait(), 20)
    assert left == []


async def test_without_a_change_nobody_hears_anything(clean_tables, database):
    looked = asyncio.Event()

    class Looking(Database):
        async def fetch(self, sql, params=()):
            rows = await database.fetch(sql, params)
            self.looks += 1
            if self.looks == 5:
                looked.set()
            return rows

    counting, heard = Looking("unused"), []
    counting.looks = 0
    follower = Follower(counting, poll_s=0.001)
    await follower.start()
    follower.subscribe(lambda: heard.append(1))
    await asyncio.wait_for(looked.wait(), 20)
    await follower.stop()
    assert heard == []


async def test_a_follower_is_stale_until_it_has_looked():
    away = Database("postgresql://postgres@/nowhere?host=/nonexistent")
    await away.open()
    follower = Follower(away)
    await follower.start()
    assert follower.stale
    await follower.stop()
    await away.close()


async def test_a_follower_is_stale_when_it_has_not_looked_for_long(database):
    now_s = 1000.0
    follower = Follower(database, clock=lambda: now_s)
    await follower.start()
    now_s += STALE_AFTER_S
    assert not follower.stale
    now_s += 1
    assert follower.stale
    await follower.stop()


async def test_a_follower_goes_on_after_its_connections_were_cut(clean_tables, dsn, revision):
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'foretell' AND datname = current_database()"
        )
    await sync_to_async(device_create)(name="pump", actor="test")
    await asyncio.wait_for(heard.wait(), 20)
