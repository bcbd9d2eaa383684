"""What the recorder does when Postgres, or the line to it, fails under a group."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from inference.errors import AuditUnavailable, StorageFull
from inference.recorder import Recorder
from inference.recorder import recorder as recorder_module
from project.embedded import EmbeddedPostgres
from tests.faults.proxy import COPY_DONE, Cut, Message, Proxy
from tests.inference.recorder.told import Told, told

RECORDERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'foretell recorder'"


def stored(postgres: EmbeddedPostgres) -> list[str]:
    """The ids in the table."""
    with psycopg.connect(postgres.url) as connection:
        return [id for (id,) in connection.execute("SELECT id::text FROM inference_prediction ORDER BY id")]


async def only_backend(connection: psycopg.Connection) -> int:
    """The pid of the one recorder's backend; that of the test before may take a moment to end."""
    while len(found := connection.execute(RECORDERS).fetchall()) != 1:  # noqa: ASYNC110 - the event is Postgres's
        await asyncio.sleep(0.01)
    return found[0][0]


async def becomes(recorder: Recorder, value: bool) -> None:
    """Wait until the recorder's availability has this value."""
    changed = asyncio.Event()
    stop = recorder.on_availability(lambda _: changed.set())
    while recorder.available is not value:
        changed.clear()
        await changed.wait()
    stop()


@pytest.mark.parametrize("cut", ["before", "sent", "answered"])
async def test_a_commit_of_unknown_outcome_is_stored_and_told_once(
    shaky: Recorder, proxy: Proxy, running: EmbeddedPostgres, cut: Cut
) -> None:
    """`before`: the server never saw the end of the rows; `sent`, `answered`: it did, and most likely committed."""
    order: list[Told] = []
    for _ in range(5):
        entries = [Told(order) for _ in range(3)]
        proxy.cut_at(lambda message: message.kind == COPY_DONE, cut)
        for entry in entries:
            shaky.submit(entry)
        await told(entries)

    assert proxy.cuts == 5
    assert all(entry.calls == ["committed"] for entry in order)
    assert stored(running) == sorted(entry.ids[0] for entry in order)
    assert shaky.available


async def test_nobody_is_told_while_the_outcome_is_unknown(
    shaky: Recorder, proxy: Proxy, running: EmbeddedPostgres
) -> None:
    """A lost backend that is stopped may still commit, so entries wait for it, also beyond their time."""
    with psycopg.connect(running.url, autocommit=True) as connection:
        pid = await only_backend(connection)

        def stop_it(message: Message) -> bool:
            if message.kind == COPY_DONE:
                os.kill(pid, signal.SIGSTOP)
            return message.kind == COPY_DONE

        proxy.cut_at(stop_it, "sent")
        entry = Told([], give_up_s=0)
        shaky.submit(entry)
        try:
            await proxy.has_cut.wait()
            asked = f"{RECORDERS} AND pid <> {pid} AND query LIKE '%pg_xact_status%'"
            while not connection.execute(asked).fetchall():  # noqa: ASYNC110 - the event is Postgres's
                await asyncio.sleep(0.01)
            for _ in range(2):
                # What only waits in the queue is told in time, so the recorder has looked for what is late.
                waiting = Told([], give_up_s=0)
                shaky.submit(waiting)
                await waiting.done.wait()
            assert entry.calls == []
        finally:
            os.kill(pid, signal.SIGCONT)
    await entry.done.wait()

    assert len(entry.calls) == 1
    assert stored(running) == (entry.ids if entry.calls == ["committed"] else [])


async def test_a_killed_backend_loses_and_doubles_nothing(shaky: Recorder, running: EmbeddedPostgres) -> None:
    order: list[Told] = []
    entries: list[Told] = []
    with psycopg.connect(running.url, autocommit=True) as connection:
        for _ in range(10):
            burst = [Told(order) for _ in range(300)]
            entries += burst
            for entry in burst:
                shaky.submit(entry)
            await asyncio.sleep(0.002)
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({RECORDERS}) AS recorders")
            await burst[0].done.wait()
    await told(entries)

    assert order == entries
    assert all(entry.calls == ["committed"] for entry in entries)
    assert stored(running) == sorted(entry.ids[0] for entry in entries)


async def test_postgres_killed_and_restarted_holds_back_what_can_wait(
    running: EmbeddedPostgres, shaky: Recorder
) -> None:
    order: list[Told] = []
    running.kill()
    late_comer = Recorder(running.url)
    await late_comer.start()
    assert not late_comer.available
    # A backend may outlive its server for a moment: what it still took would be in doubt until there is one again.
    await becomes(shaky, False)
    impatient = Told(order, give_up_s=0.1)
    shaky.submit(impatient)
    entries = [Told(order) for _ in range(20)]
    for entry in entries:
        shaky.submit(entry)
    await impatient.done.wait()
    running.start()
    await told(entries)
    await becomes(late_comer, True)
    await late_comer.stop()

    assert order == [impatient, *entries]
    assert isinstance(impatient.calls[0], AuditUnavailable)
    assert len(impatient.calls) == 1
    assert all(entry.calls == ["committed"] for entry in entries)
    assert stored(running) == sorted(entry.ids[0] for entry in entries)
    assert shaky.available


async def test_a_server_that_hangs_counts_as_lost(
    shaky: Recorder, proxy: Proxy, running: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "GROUP_TIMEOUT_S", 0.2)
    proxy.open.clear()
    entry, hopeless = Told([]), Told([], give_up_s=0.5)
    shaky.submit(entry)
    shaky.submit(hopeless)
    await becomes(shaky, False)
    await hopeless.done.wait()
    proxy.open.set()
    await entry.done.wait()

    assert isinstance(hopeless.calls[0], AuditUnavailable)
    assert entry.calls == ["committed"]
    assert stored(running) == entry.ids


@pytest.fixture
def full(running: EmbeddedPostgres) -> Iterator[Callable[[], None]]:
    """Makes Postgres refuse rows as it does when its disk is full; called, it has room again."""
    refusing = """
        CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON inference_prediction_default FOR EACH ROW EXECUTE FUNCTION refuse()"""

    def execute(sql: str) -> None:
        with psycopg.connect(running.url) as connection:
            connection.execute(sql)

    execute(refusing)
    yield lambda: execute("DROP TRIGGER IF EXISTS refuse ON inference_prediction_default")
    execute("DROP TRIGGER IF EXISTS refuse ON inference_prediction_default")


async def test_a_full_disk_fails_what_can_not_wait_and_is_found_to_have_room_again(
    shaky: Recorder, running: EmbeddedPostgres, full: Callable[[], None]
) -> None:
    impatient, patient = Told([], give_up_s=0.1), Told([])
    shaky.submit(impatient)
    await becomes(shaky, False)
    shaky.submit(patient)
    await impatient.done.wait()
    full()
    await patient.done.wait()

    assert isinstance(impatient.calls[0], StorageFull)
    assert patient.calls == ["committed"]
    assert stored(running) == patient.ids
    assert shaky.available


async def test_recording_is_found_to_work_again_though_nobody_submits(
    shaky: Recorder, full: Callable[[], None]
) -> None:
    entry = Told([], give_up_s=0.1)
    shaky.submit(entry)
    await entry.done.wait()
    full()
    await becomes(shaky, True)

    assert isinstance(entry.calls[0], StorageFull)


async def test_stop_fails_what_can_not_be_stored_in_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "STOP_TIMEOUT_S", 0.1)
    recorder = Recorder(f"postgresql://postgres@/postgres?host={tmp_path}")
    await recorder.start()
    entry = Told([])
    recorder.submit(entry)
    await recorder.stop()

    assert isinstance(entry.calls[0], AuditUnavailable)
    assert len(entry.calls) == 1


async def test_stop_does_not_wait_for_a_database_when_nothing_is_left(tmp_path: Path) -> None:
    recorder = Recorder(f"postgresql://postgres@/postgres?host={tmp_path}")
    await recorder.start()

    async with asyncio.timeout(recorder_module.STOP_TIMEOUT_S / 2):
        await recorder.stop()
