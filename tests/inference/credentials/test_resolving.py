"""Who asks: resolved once, and remembered until something changes."""

import asyncio
import datetime
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.utils import timezone

from inference.errors import DeviceDisabled, InsufficientScope, InvalidToken, MissingToken, TokenExpired
from inference.models import Credential
from inference.services import credential_revoke, device_disable, device_enable, device_rotate
from inference.tokens import new_secret
from tests.inference.credentials.devices import awaited, header, lost, make_device, make_key, noticed

pytestmark = pytest.mark.usefixtures("clean_tables")


async def test_a_device_is_resolved_with_its_rights(credentials, flow):
    issued = await make_device(name="pump", endpoints=[flow], scopes=["predict", "feedback"])
    caller = await credentials.resolve(header(issued))
    assert (caller.device, caller.device_id, caller.service) == ("pump", issued.credential.device_id, "")
    assert (caller.scopes, caller.endpoints) == ({"predict", "feedback"}, {"flow"})
    assert (caller.may_use("flow"), caller.may_use("leak")) == (True, False)


async def test_a_key_without_endpoints_may_use_all(credentials):
    caller = await credentials.resolve(header(await make_key(service="report", scopes=["read"])))
    assert (caller.device_id, caller.service, caller.endpoints) == (None, "report", None)
    assert caller.may_use("anything")
    with pytest.raises(InsufficientScope, match="predict"):
        caller.require("predict")
    caller.require("read")


async def test_the_second_use_asks_nobody(credentials, counting, revision):
    async with noticed(revision):
        bearer = header(await make_device(name="pump"))
    assert credentials.resolve_cached(bearer) is None
    caller = await credentials.resolve(bearer)
    asked = len(counting.asked)
    assert credentials.resolve_cached(bearer) is caller
    assert await credentials.resolve(bearer) is caller
    assert len(counting.asked) == asked


@pytest.mark.parametrize("authorization", [None, ""])
async def test_no_header_is_a_missing_token(credentials, authorization):
    assert credentials.resolve_cached(authorization) is None
    with pytest.raises(MissingToken):
        await credentials.resolve(authorization)


async def test_a_malformed_header_costs_no_query(credentials, counting):
    with pytest.raises(InvalidToken):
        await credentials.resolve("Bearer ft_abc")
    assert credentials.resolve_cached("Bearer ft_abc") is None
    assert counting.asked == []


async def test_an_unknown_token_a_wrong_secret_and_a_revoked_one_look_alike(credentials):
    issued = await make_device(name="pump")
    revoked = await make_device(name="tap")
    await sync_to_async(credential_revoke)(credential=revoked.credential, actor="test")
    wrong = f"Bearer ft_{issued.credential.prefix}_{'x' * 43}"
    refusals = []
    for bearer in (f"Bearer {new_secret()[0]}", wrong, header(revoked)):
        with pytest.raises(InvalidToken) as refused:
            await credentials.resolve(bearer)
        refusals.append(str(refused.value))
    assert len(set(refusals)) == 1


async def test_an_expired_token_says_so(credentials):
    over = timezone.now() - datetime.timedelta(seconds=1)
    bearer = header(await make_device(name="pump", expires_at=over))
    with pytest.raises(TokenExpired):
        await credentials.resolve(bearer)


async def test_a_remembered_token_expires_by_the_clock(credentials, monkeypatch):
    end = timezone.now() + datetime.timedelta(hours=1)
    bearer = header(await make_device(name="pump", expires_at=end))
    loss = lost(credentials, await credentials.resolve(bearer))
    monkeypatch.setattr("inference.callers.time", SimpleNamespace(time=end.timestamp))
    assert await awaited(loss) is not None
    assert credentials.resolve_cached(bearer) is None
    with pytest.raises(TokenExpired):
        await credentials.resolve(bearer)


async def test_a_disabled_device_is_refused_and_let_in_again(credentials, revision):
    issued = await make_device(name="pump")
    await sync_to_async(device_disable)(device=issued.credential.device, actor="test")
    with pytest.raises(DeviceDisabled, match="pump"):
        await credentials.resolve(header(issued))
    await sync_to_async(device_enable)(device=issued.credential.device, actor="test")
    assert (await credentials.resolve(header(issued))).device == "pump"


async def test_a_device_of_a_disabled_owner_is_refused(credentials):
    owner = await get_user_model().objects.acreate(username="ada", is_active=False)
    with pytest.raises(DeviceDisabled):
        await credentials.resolve(header(await make_device(name="pump", owner=owner)))


async def test_both_credentials_are_good_during_a_rotation(credentials):
    old = await make_device(name="pump")
    new = await sync_to_async(device_rotate)(device=old.credential.device, overlap_s=3600, actor="test")
    assert (await credentials.resolve(header(old))).device == "pump"
    assert (await credentials.resolve(header(new))).device == "pump"


async def test_a_change_makes_it_ask_again(credentials, revision):
    bearer = header(await make_device(name="pump"))
    await credentials.resolve(bearer)
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(Credential.objects.update)(scopes=["read"])
    await awaited(heard.wait())
    assert credentials.resolve_cached(bearer) is None
    assert (await credentials.resolve(bearer)).scopes == {"read"}


async def test_what_was_read_before_a_change_is_not_kept(credentials, counting, revision):
    """The answer that left the database before the revocation must not be remembered after it."""
    issued = await make_device(name="pump")
    counting.gate.clear()
    resolving = asyncio.create_task(credentials.resolve(header(issued)))
    await awaited(counting.answered.wait())
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    await awaited(heard.wait())
    counting.gate.set()
    await resolving
    with pytest.raises(InvalidToken):
        await credentials.resolve(header(issued))
