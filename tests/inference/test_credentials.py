"""Who asks: resolved once, remembered until something changes, and told when it is over."""

import asyncio
import datetime
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.utils import timezone

from inference.credentials import MAX_WAITING, Credentials
from inference.database import Database, DatabaseUnavailable
from inference.errors import (
    DeviceDisabled,
    InsufficientScope,
    InvalidToken,
    MissingToken,
    Overloaded,
    TokenExpired,
    TokenRevoked,
    UnknownEndpoint,
)
from inference.models import Credential, Device, Endpoint
from inference.services import (
    credential_create,
    credential_revoke,
    device_create,
    device_disable,
    device_enable,
    device_rotate,
)
from inference.tokens import new_secret
from tests.inference.conftest import POLL_S

pytestmark = pytest.mark.usefixtures("clean_tables")


class CountingDatabase(Database):
    """A database that remembers what was asked, and can be held back."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.asked: list[str] = []
        self.answered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, sql, params=()):
        self.asked.append(sql)
        rows = await self.inner.fetch(sql, params)
        self.answered.set()
        await self.gate.wait()
        return rows


@pytest.fixture
def counting(database):
    return CountingDatabase(database)


@pytest.fixture
async def credentials(counting, revision):
    started = Credentials(counting, revision=revision, check_s=POLL_S)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def flow():
    return await Endpoint.objects.acreate(slug="flow", name="Flow", folder="f", signature={}, signature_digest="-")


make_device = sync_to_async(partial(device_create, actor="test"))
make_key = sync_to_async(partial(credential_create, actor="test"))


def _bearer(issued):
    return f"Bearer {issued.token}"


async def _soon(loss):
    return await asyncio.wait_for(loss, 20)


def _lost(credentials, caller, slug="flow"):
    """A future of what the caller loses."""
    loss = asyncio.get_running_loop().create_future()
    credentials.watch(caller, slug, loss.set_result)
    return loss


# ---- Resolving ----------------------------------------------------------------------------------------------------


async def test_a_device_is_resolved_with_its_rights(credentials, flow):
    issued = await make_device(name="pump", endpoints=[flow], scopes=["predict", "feedback"])
    caller = await credentials.resolve(_bearer(issued))
    assert (caller.device, caller.device_id, caller.service) == ("pump", issued.credential.device_id, "")
    assert (caller.scopes, caller.endpoints) == ({"predict", "feedback"}, {"flow"})
    assert (caller.may_use("flow"), caller.may_use("leak")) == (True, False)


async def test_a_key_without_endpoints_may_use_all(credentials):
    caller = await credentials.resolve(_bearer(await make_key(service="report", scopes=["read"])))
    assert (caller.device_id, caller.service, caller.endpoints) == (None, "report", None)
    assert caller.may_use("anything")
    with pytest.raises(InsufficientScope, match="predict"):
        caller.require("predict")
    caller.require("read")


async def test_the_second_use_asks_nobody(credentials, counting, revision):
    noticed = asyncio.Event()
    revision.subscribe(noticed.set)
    bearer = _bearer(await make_device(name="pump"))
    # What is resolved while a change is noticed is looked up anew.
    await asyncio.wait_for(noticed.wait(), 20)
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
    for bearer in (f"Bearer {new_secret()[0]}", wrong, _bearer(revoked)):
        with pytest.raises(InvalidToken) as refused:
            await credentials.resolve(bearer)
        refusals.append(str(refused.value))
    assert len(set(refusals)) == 1


async def test_an_expired_token_says_so(credentials):
    over = timezone.now() - datetime.timedelta(seconds=1)
    bearer = _bearer(await make_device(name="pump", expires_at=over))
    with pytest.raises(TokenExpired):
        await credentials.resolve(bearer)


async def test_a_remembered_token_expires_by_the_clock(credentials):
    soon = timezone.now() + datetime.timedelta(seconds=0.3)
    bearer = _bearer(await make_device(name="pump", expires_at=soon))
    caller = await credentials.resolve(bearer)
    assert await _soon(_lost(credentials, caller)) is not None
    assert credentials.resolve_cached(bearer) is None
    with pytest.raises(TokenExpired):
        await credentials.resolve(bearer)


async def test_a_disabled_device_is_refused_and_let_in_again(credentials, revision):
    issued = await make_device(name="pump")
    await sync_to_async(device_disable)(device=issued.credential.device, actor="test")
    with pytest.raises(DeviceDisabled, match="pump"):
        await credentials.resolve(_bearer(issued))
    await sync_to_async(device_enable)(device=issued.credential.device, actor="test")
    assert (await credentials.resolve(_bearer(issued))).device == "pump"


async def test_a_device_of_a_disabled_owner_is_refused(credentials):
    owner = await get_user_model().objects.acreate(username="ada", is_active=False)
    with pytest.raises(DeviceDisabled):
        await credentials.resolve(_bearer(await make_device(name="pump", owner=owner)))


async def test_both_credentials_are_good_during_a_rotation(credentials):
    old = await make_device(name="pump")
    new = await sync_to_async(device_rotate)(device=old.credential.device, overlap_s=3600, actor="test")
    assert (await credentials.resolve(_bearer(old))).device == "pump"
    assert (await credentials.resolve(_bearer(new))).device == "pump"


async def test_a_change_makes_it_ask_again(credentials, revision):
    bearer = _bearer(await make_device(name="pump"))
    await credentials.resolve(bearer)
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(Credential.objects.update)(scopes=["read"])
    await _soon(heard.wait())
    assert credentials.resolve_cached(bearer) is None
    assert (await credentials.resolve(bearer)).scopes == {"read"}


async def test_what_was_read_before_a_change_is_not_kept(credentials, counting, revision):
    """The answer that left the database before the revocation must not be remembered after it."""
    issued = await make_device(name="pump")
    counting.gate.clear()
    resolving = asyncio.create_task(credentials.resolve(_bearer(issued)))
    await _soon(counting.answered.wait())
    heard = asyncio.Event()
    revision.subscribe(heard.set)
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    await _soon(heard.wait())
    counting.gate.set()
    await resolving
    with pytest.raises(InvalidToken):
        await credentials.resolve(_bearer(issued))


# ---- Floods -------------------------------------------------------------------------------------------------------


async def test_everyone_who_waits_is_asked_for_in_one_query(credentials, counting):
    issued = [await make_device(name=f"pump-{number}") for number in range(20)]
    counting.gate.clear()
    first = asyncio.create_task(credentials.resolve(f"Bearer {new_secret()[0]}"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(credentials.resolve(_bearer(one))) for one in issued for _ in range(3)]
    await asyncio.sleep(0)
    counting.gate.set()
    callers = await asyncio.gather(*others)
    assert {caller.device for caller in callers} == {f"pump-{number}" for number in range(20)}
    assert len(counting.asked) == 2
    with pytest.raises(InvalidToken):
        await first


async def test_a_flood_of_unknown_tokens_is_bounded(credentials, counting):
    bearer = _bearer(await make_device(name="pump"))
    await credentials.resolve(bearer)
    counting.gate.clear()
    flood = [asyncio.create_task(credentials.resolve(f"Bearer {new_secret()[0]}")) for _ in range(2 * MAX_WAITING)]
    await asyncio.sleep(0)
    assert credentials.resolve_cached(bearer) is not None
    counting.gate.set()
    errors = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(error) for error in errors} == {InvalidToken, Overloaded}
    assert len(counting.asked) <= 3


async def test_a_database_that_is_away_is_said_to_be(revision):
    away = Database("postgresql://postgres@/nowhere?host=/nonexistent")
    await away.open()
    credentials = Credentials(away, revision=revision)
    with pytest.raises(DatabaseUnavailable):
        await credentials.resolve(f"Bearer {new_secret()[0]}")
    await away.close()


# ---- Watching -----------------------------------------------------------------------------------------------------


async def test_a_revocation_is_told(credentials):
    issued = await make_device(name="pump")
    loss = _lost(credentials, await credentials.resolve(_bearer(issued)))
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    assert isinstance(await _soon(loss), TokenRevoked)


async def test_a_deleted_credential_is_told_as_revoked(credentials):
    loss = _lost(credentials, await credentials.resolve(_bearer(await make_device(name="pump"))))
    await sync_to_async(Credential.objects.all().delete)()
    assert isinstance(await _soon(loss), TokenRevoked)


async def test_a_disabled_device_is_told(credentials):
    issued = await make_device(name="pump")
    loss = _lost(credentials, await credentials.resolve(_bearer(issued)))
    await sync_to_async(device_disable)(device=issued.credential.device, actor="test")
    assert isinstance(await _soon(loss), DeviceDisabled)


async def test_a_disabled_owner_is_told(credentials):
    owner = await get_user_model().objects.acreate(username="ada")
    loss = _lost(credentials, await credentials.resolve(_bearer(await make_device(name="pump", owner=owner))))
    await sync_to_async(get_user_model().objects.update)(is_active=False)
    assert isinstance(await _soon(loss), DeviceDisabled)


async def test_an_endpoint_taken_away_is_told(credentials, flow):
    leak = await Endpoint.objects.acreate(slug="leak", name="L", folder="l", signature={}, signature_digest="-")
    issued = await make_device(name="pump", endpoints=[flow, leak])
    caller = await credentials.resolve(_bearer(issued))
    flow_lost, leak_lost = _lost(credentials, caller, "flow"), _lost(credentials, caller, "leak")
    await sync_to_async(issued.credential.endpoints.remove)(leak)
    assert isinstance(await _soon(leak_lost), UnknownEndpoint)
    assert not flow_lost.done()


async def test_a_scope_taken_away_is_told(credentials):
    caller = await credentials.resolve(_bearer(await make_device(name="pump", scopes=["predict", "feedback"])))
    loss = _lost(credentials, caller)
    await sync_to_async(Credential.objects.update)(scopes=["feedback"])
    told = await _soon(loss)
    assert isinstance(told, InsufficientScope)
    assert told.needed == "predict"


async def test_the_end_of_a_rotations_overlap_is_told(credentials):
    old = await make_device(name="pump")
    loss = _lost(credentials, await credentials.resolve(_bearer(old)))
    await sync_to_async(device_rotate)(device=old.credential.device, overlap_s=0.3, actor="test")
    assert isinstance(await _soon(loss), TokenExpired)


async def test_a_later_end_keeps_a_watched_credential(credentials, revision):
    now = timezone.now()
    issued = await make_device(name="pump", expires_at=now + datetime.timedelta(seconds=0.5))
    loss = _lost(credentials, await credentials.resolve(_bearer(issued)))
    later = now + datetime.timedelta(seconds=1.5)
    await sync_to_async(Credential.objects.update)(expires_at=later)
    assert isinstance(await _soon(loss), TokenExpired)
    assert timezone.now() >= later


async def test_what_was_lost_before_the_watch_began_is_told_too(credentials):
    late, watched = await make_device(name="pump"), await make_device(name="tap")
    caller = await credentials.resolve(_bearer(late))
    loss = _lost(credentials, await credentials.resolve(_bearer(watched)))
    await sync_to_async(Credential.objects.update)(revoked_at=timezone.now())
    assert isinstance(await _soon(loss), TokenRevoked)
    assert isinstance(await _soon(_lost(credentials, caller)), TokenRevoked)


async def test_who_stopped_watching_hears_nothing(credentials):
    issued = await make_device(name="pump")
    caller = await credentials.resolve(_bearer(issued))
    told = []
    credentials.watch(caller, "flow", told.append)()
    loss = _lost(credentials, caller)
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    await _soon(loss)
    assert told == []


async def test_one_listener_that_fails_does_not_keep_the_news_from_others(credentials):
    issued = await make_device(name="pump")
    caller = await credentials.resolve(_bearer(issued))

    def fail(loss):
        raise RuntimeError("this socket has gone")

    credentials.watch(caller, "flow", fail)
    losses = [_lost(credentials, caller) for _ in range(3)]
    await sync_to_async(credential_revoke)(credential=issued.credential, actor="test")
    assert [type(await _soon(loss)) for loss in losses] == [TokenRevoked] * 3


async def test_other_changes_are_no_loss(credentials, revision, flow):
    issued = await make_device(name="pump", endpoints=[flow])
    other = await make_device(name="tap")
    loss = _lost(credentials, await credentials.resolve(_bearer(issued)))
    other_loss = _lost(credentials, await credentials.resolve(_bearer(other)))
    await sync_to_async(Credential.objects.filter(device__name="pump").update)(scopes=["predict", "read"])
    await sync_to_async(Device.objects.filter(name="pump").update)(name="pump-2")
    await sync_to_async(credential_revoke)(credential=other.credential, actor="test")
    await _soon(other_loss)
    assert not loss.done()
