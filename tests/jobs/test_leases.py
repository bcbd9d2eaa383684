"""Who holds a piece of work, and whose writing counts, on a real Postgres."""

import datetime
import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from inference.models import Endpoint
from jobs import leases
from jobs.errors import LeaseLost
from jobs.leases import LEASE_S, Heartbeat, Lease, claim, held
from jobs.models import BatchJob, Chunk
from tests.project.children import until

CHUNKS = 3


@pytest.fixture
def chunks(flow: Endpoint) -> list[Chunk]:
    """Three waiting chunks."""
    job = BatchJob.objects.create(
        endpoint=flow, version=flow.versions.get(), kind="upload", format="csv", created_by="test", slot="1"
    )
    made = [Chunk(job=job, number=n, first_row=10 * n + 1, rows=10, file=str(n)) for n in range(CHUNKS)]
    return Chunk.objects.bulk_create(made)


def taken() -> Lease | None:
    """The next chunk by its number, if there is one."""
    return claim(Chunk.objects.order_by("number"), state=Chunk.State.RUNNING)


def now_in_postgres() -> datetime.datetime:
    """Postgres's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime.datetime = cursor.fetchone()[0]
    return now


def expire(lease: Lease) -> None:
    """Let Postgres's clock pass the lease's end."""
    lease.row().update(leased_until=Now() - datetime.timedelta(milliseconds=1))


def beside(work: Callable[[], object]) -> None:
    """Do something on a connection of its own, as another process would."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_rows_are_claimed_in_order_each_once(chunks: list[Chunk]) -> None:
    claimed = [taken() for _ in range(CHUNKS + 1)]

    assert [lease and lease.id for lease in claimed] == [*(chunk.pk for chunk in chunks), None]
    assert {lease.attempt for lease in claimed if lease} == {1}
    assert set(Chunk.objects.values_list("state", flat=True)) == {"running"}


def test_a_row_that_somebody_is_claiming_is_passed_over(chunks: list[Chunk]) -> None:
    found: list[Lease | None] = []
    with transaction.atomic():
        Chunk.objects.select_for_update().get(pk=chunks[0].pk)
        beside(lambda: found.append(taken()))

    assert [lease and lease.id for lease in found] == [chunks[1].pk]


def test_a_lease_ends_by_the_clock_of_postgres(chunks: list[Chunk]) -> None:
    before = now_in_postgres()
    first = taken()
    assert first is not None
    until_at = Chunk.objects.get(pk=first.id).leased_until
    assert before <= until_at - datetime.timedelta(seconds=LEASE_S) <= now_in_postgres()

    expire(first)
    second = taken()
    assert second is not None
    assert (second.id, second.token, second.attempt) == (first.id, first.token + 1, 2)


def test_a_late_writers_transaction_is_rolled_back_whole(chunks: list[Chunk]) -> None:
    late = taken()
    assert late is not None
    expire(late)
    now = taken()

    def write() -> None:
        with transaction.atomic():
            Chunk.objects.filter(pk=chunks[2].pk).update(ok=99)
            late.release(state=Chunk.State.DONE, ok=10)

    with pytest.raises(LeaseLost):
        write()
    assert list(Chunk.objects.order_by("number").values_list("state", "ok")) == [
        ("running", 0),
        ("waiting", 0),
        ("waiting", 0),
    ]
    assert now is not None
    now.release(state=Chunk.State.DONE, ok=10)
    assert Chunk.objects.get(pk=now.id).ok == 10


def test_an_expired_lease_that_nobody_took_still_counts(chunks: list[Chunk]) -> None:
    lease = taken()
    assert lease is not None
    expire(lease)
    lease.release(state=Chunk.State.DONE)
    assert Chunk.objects.get(pk=lease.id).state == "done"


def test_a_released_lease_writes_no_more(chunks: list[Chunk]) -> None:
    lease = taken()
    assert lease is not None
    lease.release(state=Chunk.State.WAITING)
    with pytest.raises(LeaseLost):
        lease.update(ok=1)


def test_work_given_back_by_no_fault_of_its_own_costs_no_attempt(chunks: list[Chunk]) -> None:
    for _ in range(5):
        lease = taken()
        assert lease is not None
        assert (lease.id, lease.attempt) == (chunks[0].pk, 1)
        lease.forgo(state=Chunk.State.WAITING)


def test_work_whose_attempts_were_forgiven_meanwhile_can_be_given_back(chunks: list[Chunk]) -> None:
    lease = taken()
    assert lease is not None
    lease.row().update(attempts=0)
    lease.forgo(state=Chunk.State.WAITING)
    assert Chunk.objects.get(pk=lease.id).attempts == 0


def test_a_heartbeat_keeps_the_lease(chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    lease = taken()
    assert lease is not None
    expire(lease)
    with held(lease) as heartbeat:
        until(lambda: Chunk.objects.filter(pk=lease.id, leased_until__gt=Now()).exists())
        heartbeat.check()


def test_a_heartbeat_says_when_another_took_the_work(chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    lease = taken()
    assert lease is not None
    with held(lease) as heartbeat:
        Chunk.objects.filter(pk=lease.id).update(token=lease.token + 1)
        until(lambda: heartbeat.lost)
        with pytest.raises(LeaseLost):
            heartbeat.check()


def test_without_a_database_the_lease_is_lost_in_its_time(chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    monkeypatch.setattr(leases, "LEASE_S", 2)
    lease = taken()
    assert lease is not None
    with transaction.atomic():
        # The row is locked: the heartbeat's connection hangs, and is no help.
        Chunk.objects.select_for_update().get(pk=lease.id)
        with held(lease) as heartbeat:
            assert not heartbeat.lost
            until(lambda: heartbeat.lost)


def test_a_renewal_counts_from_when_it_was_asked_for(chunks: list[Chunk]) -> None:
    lease = taken()
    assert lease is not None
    heartbeat = Heartbeat(lease)
    heartbeat.renew()
    assert not heartbeat.lost
    expire(lease)
    Chunk.objects.filter(pk=lease.id).update(leased_until=None)
    heartbeat.renew()
    assert heartbeat.lost


def test_who_stopped_within_a_transaction_holds_up_nobody(chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch) -> None:
    lease = taken()
    assert lease is not None
    expire(lease)
    locked, ended = threading.Event(), threading.Event()

    def store() -> None:
        with transaction.atomic():
            lease.release(state=Chunk.State.DONE)
            locked.set()
            ended.wait(60)
            Chunk.objects.count()

    def stop_within_a_transaction() -> None:
        with pytest.raises(OperationalError):
            store()

    stopped = threading.Thread(target=beside, args=[stop_within_a_transaction])
    stopped.start()
    assert locked.wait(60)

    assert leases.end_stopped(Chunk) == 0, "a transaction that has only begun"
    monkeypatch.setattr(leases, "STOPPED_S", 0)
    assert leases.end_stopped(Chunk) == 1
    until(lambda: claim(Chunk.objects.filter(pk=lease.id)) is not None)
    ended.set()
    stopped.join()
    assert Chunk.objects.get(pk=lease.id).state == "running"
