"""Which devices are connected, as processes tell it and pages read it."""

from collections import Counter

import psycopg
import pytest
from asgiref.sync import sync_to_async

from inference.database import Database, DatabaseUnavailable
from inference.models import Device
from inference.presence import FORGOTTEN_AFTER_S, SILENT_AFTER_S, Presence
from inference.selectors import device_activity, devices_connected

pytestmark = pytest.mark.usefixtures("clean_tables")


@pytest.fixture
def pumps() -> list[int]:
    """Three devices."""
    return [Device.objects.create(name=f"pump-{number}").pk for number in range(3)]


def _passed(dsn: str, seconds: float) -> None:
    """Let what processes said be so much older."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE inference_webprocess SET heard_at = heard_at - make_interval(secs => %s)", [seconds])


@sync_to_async
def _seen(pumps: list[int]) -> dict[int, int]:
    """The sockets of each device that is connected, as the pages read them."""
    activity = device_activity(devices=pumps)
    seen = {device: one.sockets for device, one in activity.items() if one.sockets}
    for are, found in ((True, set(seen)), (False, set(pumps) - set(seen))):
        assert set(devices_connected(devices=Device.objects.all(), are=are).values_list("pk", flat=True)) == found
    return seen


async def test_what_all_processes_have_open_is_added_up(database: Database, pumps) -> None:
    a, b, _ = pumps
    for sockets in ({a: 2, b: 1}, {a: 1}):
        await Presence(database, lambda sockets=sockets: sockets).tell()
    assert await _seen(pumps) == {a: 3, b: 1}


async def test_sockets_that_open_and_close_are_followed(database: Database, pumps) -> None:
    a, b, c = pumps
    sockets = Counter({a: 1, b: 2})
    presence = Presence(database, lambda: sockets)
    await presence.tell()
    since = (await sync_to_async(device_activity)(devices=pumps))[b].connected_at
    del sockets[a]
    sockets[b] = 1
    sockets[c] = 5
    await presence.tell()
    assert await _seen(pumps) == {b: 1, c: 5}
    assert (await sync_to_async(device_activity)(devices=pumps))[b].connected_at == since
    sockets.clear()
    await presence.tell()
    assert await _seen(pumps) == {}


async def test_a_process_that_tells_nothing_is_dead_and_cleared_up_by_the_next(database: Database, dsn, pumps) -> None:
    await Presence(database, lambda: {pumps[0]: 1}).tell()
    _passed(dsn, SILENT_AFTER_S)
    assert await _seen(pumps) == {}
    _passed(dsn, FORGOTTEN_AFTER_S)
    await Presence(database, lambda: {pumps[1]: 1}).tell()
    assert await _seen(pumps) == {pumps[1]: 1}
    assert await database.fetch("SELECT count(*) FROM inference_webprocess") == [(1,)]
    assert await database.fetch("SELECT count(*) FROM inference_presence") == [(1,)]


async def test_a_process_that_was_taken_for_dead_tells_all_again(database: Database, dsn, pumps) -> None:
    a, b, _ = pumps
    sockets = {a: 1}
    presence = Presence(database, lambda: dict(sockets))
    await presence.tell()
    _passed(dsn, 2 * FORGOTTEN_AFTER_S)
    await Presence(database, dict).tell()
    sockets[b] = 1
    for _ in range(2):
        await presence.tell()
    assert await _seen(pumps) == {a: 1, b: 1}


async def test_a_process_that_stops_takes_its_sockets_along(database: Database, pumps) -> None:
    stopping = Presence(database, lambda: {pumps[0]: 1})
    await stopping.tell()
    await Presence(database, lambda: {pumps[1]: 1}).tell()
    await stopping.stop()
    assert await _seen(pumps) == {pumps[1]: 1}


async def test_a_device_that_is_gone_keeps_no_other_from_being_told(database: Database, pumps) -> None:
    await Presence(database, lambda: {0: 1, pumps[0]: 1}).tell()
    assert await _seen(pumps) == {pumps[0]: 1}


async def test_after_a_commit_of_unknown_outcome_all_is_told_again(database: Database, dsn, pumps, monkeypatch) -> None:
    a, b, _ = pumps
    sockets = {a: 1}
    presence = Presence(database, lambda: dict(sockets))
    await presence.tell()
    sockets[b] = 1
    with monkeypatch.context() as patch:
        patch.setattr(database, "transact", _committed_in_vain(database.transact))
        with pytest.raises(DatabaseUnavailable):
            await presence.tell()
    del sockets[b]
    await presence.tell()
    assert await _seen(pumps) == {a: 1}


def _committed_in_vain(transact):
    """Commits, and then loses the answer."""

    async def answerless(*statements):
        await transact(*statements)
        raise DatabaseUnavailable

    return answerless
