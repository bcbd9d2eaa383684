"""Who was let in is told when it is over."""

import asyncio
import datetime
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.utils import timezone

from inference.errors import DeviceDisabled, InsufficientScope, TokenExpired, TokenRevoked, UnknownEndpoint
from inference.models import Credential, Device, Endpoint
from inference.services import credential_revoke, device_disable, device_rotate
from tests.inference.credentials.devices import awaited, header, lost, make_device

pytestmark = pytest.mark.usefixtures("clean_tables")


async def test_a_revocation_is_told(credentials):
    issued = await make_device(name="pump")
    loss = lost(credentials, await credentials.resolve(header(issued)))
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    assert isinstance(await awaited(loss), TokenRevoked)


async def test_a_deleted_credential_is_told_as_revoked(credentials):
    loss = lost(credentials, await credentials.resolve(header(await make_device(name="pump"))))
    await sync_to_async(Credential.objects.all().delete)()
    assert isinstance(await awaited(loss), TokenRevoked)


async def test_a_disabled_device_is_told(credentials):
    issued = await make_device(name="pump")
    loss = lost(credentials, await credentials.resolve(header(issued)))
    await sync_to_async(device_disable)(device=issued.credential.device, actor="test")
    assert isinstance(await awaited(loss), DeviceDisabled)


async def test_a_disabled_owner_is_told(credentials):
    owner = await get_user_model().objects.acreate(username="ada")
    loss = lost(credentials, await credentials.resolve(header(await make_device(name="pump", owner=owner))))
    await sync_to_async(get_user_model().objects.update)(is_active=False)
    assert isinstance(await awaited(loss), DeviceDisabled)


async def test_an_endpoint_taken_away_is_told(credentials, flow):
    leak = await Endpoint.objects.acreate(slug="leak", name="L", folder="l", signature={}, signature_digest="-")
    issued = await make_device(name="pump", endpoints=[flow, leak])
    caller = await credentials.resolve(header(issued))
    flow_lost, leak_lost = lost(credentials, caller, "flow"), lost(credentials, caller, "leak")
    await sync_to_async(issued.credential.endpoints.remove)(leak)
    assert isinstance(await awaited(leak_lost), UnknownEndpoint)
    assert not flow_lost.done()


async def test_another_endpoint_taken_away_leaves_a_caller_with_the_rest(credentials, flow):
    leak = await Endpoint.objects.acreate(slug="leak", name="L", folder="l", signature={}, signature_digest="-")
    issued = await make_device(name="pump", endpoints=[flow, leak])
    caller = await credentials.resolve(header(issued))
    changed = asyncio.get_running_loop().create_future()
    credentials.watch(caller, "flow", changed.set_exception, changed.set_result)
    await sync_to_async(issued.credential.endpoints.remove)(leak)
    assert await awaited(changed) == replace(caller, endpoints=frozenset({"flow"}))


async def test_a_scope_taken_away_is_told(credentials):
    caller = await credentials.resolve(header(await make_device(name="pump", scopes=["predict", "feedback"])))
    loss = lost(credentials, caller)
    await sync_to_async(Credential.objects.update)(scopes=["feedback"])
    told = await awaited(loss)
    assert isinstance(told, InsufficientScope)
    assert told.needed == "predict"


async def test_the_end_of_a_rotations_overlap_is_told(credentials):
    old = await make_device(name="pump")
    loss = lost(credentials, await credentials.resolve(header(old)))
    await sync_to_async(device_rotate)(device=old.credential.device, overlap_s=0.3, actor="test")
    assert isinstance(await awaited(loss), TokenExpired)


async def test_a_later_end_keeps_a_watched_credential(credentials, revision):
    now = timezone.now()
    # The later end must be known before the first one comes, also where all takes longer.
    issued = await make_device(name="pump", expires_at=now + datetime.timedelta(seconds=2))
    loss = lost(credentials, await credentials.resolve(header(issued)))
    later = now + datetime.timedelta(seconds=2.5)
    await sync_to_async(Credential.objects.update)(expires_at=later)
    assert isinstance(await awaited(loss), TokenExpired)
    assert timezone.now() >= later


async def test_what_was_lost_before_the_watch_began_is_told_too(credentials):
    late, watched = await make_device(name="pump"), await make_device(name="tap")
    caller = await credentials.resolve(header(late))
    loss = lost(credentials, await credentials.resolve(header(watched)))
    await sync_to_async(Credential.objects.update)(revoked_at=timezone.now())
    assert isinstance(await awaited(loss), TokenRevoked)
    assert isinstance(await awaited(lost(credentials, caller)), TokenRevoked)


async def test_who_stopped_watching_hears_nothing(credentials):
    issued = await make_device(name="pump")
    caller = await credentials.resolve(header(issued))
    told = []
    credentials.watch(caller, "flow", told.append)()
    loss = lost(credentials, caller)
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    await awaited(loss)
    assert told == []


async def test_one_listener_that_fails_does_not_keep_the_news_from_others(credentials):
    issued = await make_device(name="pump")
    caller = await credentials.resolve(header(issued))

    def fail(loss):
        raise RuntimeError("this socket has gone")

    credentials.watch(caller, "flow", fail)
    losses = [lost(credentials, caller) for _ in range(3)]
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    assert [type(await awaited(loss)) for loss in losses] == [TokenRevoked] * 3


async def test_other_changes_are_no_loss(credentials, revision, flow):
    issued = await make_device(name="pump", endpoints=[flow])
    other = await make_device(name="tap")
    loss = lost(credentials, await credentials.resolve(header(issued)))
    other_loss = lost(credentials, await credentials.resolve(header(other)))
    await sync_to_async(Credential.objects.filter(device__name="pump").update)(scopes=["predict", "read"])
    await sync_to_async(Device.objects.filter(name="pump").update)(name="pump-2")
    await sync_to_async(credential_revoke)(credential=other.credential, actor="test")
    await awaited(other_loss)
    assert not loss.done()
