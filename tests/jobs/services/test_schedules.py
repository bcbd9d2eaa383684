"""Schedules: made, changed, taken away and listed."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from inference.errors import AlreadyExists, EndpointRetired, NotFound, UnknownVersion
from inference.models import ControlLog, Endpoint
from jobs.errors import BadSchedule
from jobs.models import BatchJob, ScheduleSlot
from jobs.schedules.rows import BatchPlan, RetrainingPlan, schedule_get, schedule_list
from jobs.services import schedule_change, schedule_delete, schedule_start, schedules_look
from tests.jobs.services.schedules import DAY, HOURLY, LINE, ago, long_known, made
from tests.project.children import until

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def test_a_schedule_is_a_row_of_beats_that_can_start_nothing_else(flow: Endpoint) -> None:
    schedule = made(flow, crontab="30 2 * * 1-5", zone="Europe/Berlin")

    row = PeriodicTask.objects.get(name="nightly")
    assert (row.task, row.enabled, row.args) == ("jobs.schedule_due", True, "[]")
    assert str(row.crontab.schedule.tz) == "Europe/Berlin"
    assert row.crontab.schedule.day_of_week == {1, 2, 3, 4, 5}
    assert schedule == schedule_get(name="nightly")
    assert (schedule.kind, schedule.endpoint, schedule.plan) == ("batch", "flow", DAY)
    assert (schedule.crontab, schedule.zone) == ("30 2 * * 1-5", "Europe/Berlin")
    assert schedule.next_at is not None
    assert schedule.next_at.minute == 30
    log = ControlLog.objects.get(action="schedule.create")
    assert (log.actor, log.after["crontab"], log.after["hours"]) == ("ann", "30 2 * * 1-5", 24)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"crontab": "* * * *"}, BadSchedule),
        ({"crontab": "0 3 * * 1-5-7"}, BadSchedule),
        ({"crontab": "0 3 * * *", "zone": "Mars/Olympus"}, BadSchedule),
        ({"name": "Nightly!"}, BadSchedule),
        ({"name": "x" * 65}, BadSchedule),
        ({"plan": BatchPlan(hours=0)}, BadSchedule),
        ({"plan": BatchPlan(hours=24, limit=1_000_001)}, BadSchedule),
        ({"plan": BatchPlan(hours=24, version="line-9.0.0")}, UnknownVersion),
        ({"plan": RetrainingPlan(algorithm="nothing")}, BadSchedule),
        ({"plan": RetrainingPlan(algorithm="line", reason="x" * 1001)}, BadSchedule),
    ],
)
def test_what_can_not_be_is_refused_and_leaves_nothing(flow: Endpoint, said: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        made(flow, **said)

    assert not schedule_list()
    assert not ControlLog.objects.filter(action="schedule.create").exists()


def test_a_retraining_starts_every_five_minutes_at_most(flow: Endpoint) -> None:
    with pytest.raises(BadSchedule, match="every 5 minutes"):
        made(flow, LINE, "*/4 * * * *")

    assert made(flow, LINE, "*/5 * * * *").kind == "retraining"
    assert made(flow, DAY, "* * * * *", name="often").kind == "batch"


def test_a_name_is_taken_once_and_those_that_beat_writes_are_taken_from_the_start(flow: Endpoint) -> None:
    made(flow)

    for name in ("nightly", "partitions", "celery.backend_cleanup"):
        with pytest.raises(AlreadyExists):
            made(flow, name=name)
    assert [one.name for one in schedule_list()] == ["nightly"]


def test_a_retired_endpoint_gets_no_schedule(flow: Endpoint) -> None:
    Endpoint.objects.filter(pk=flow.pk).update(retired_at=ago(1))
    flow.refresh_from_db()

    with pytest.raises(EndpointRetired):
        made(flow)


def times() -> list[str]:
    """The minutes and hours of beat's rows of times, but for those of beat's own schedules."""
    return sorted(f"{one.minute} {one.hour}" for one in CrontabSchedule.objects.all())


@pytest.fixture
def no_times(flow: Endpoint) -> None:
    """Beat's tables without what other tests left."""
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()


def test_rows_of_times_go_with_the_last_schedule_that_has_them(flow: Endpoint, no_times: None) -> None:
    one, two = made(flow, name="one"), made(flow, name="two")
    PeriodicTask.objects.create(name="partitions", task="x", crontab=CrontabSchedule.objects.create(minute="17"))
    assert times() == ["0 *", "17 *"]

    one = schedule_change(schedule=one, crontab="30 2 * * *", actor="ann")
    assert times() == ["0 *", "17 *", "30 2"]
    two = schedule_change(schedule=two, crontab="30 2 * * *", actor="ann")
    assert times() == ["17 *", "30 2"]
    one = schedule_change(schedule=one, crontab="17 * * * *", actor="ann")
    schedule_delete(schedule=two, actor="ann")
    assert times() == ["17 *"]
    schedule_delete(schedule=one, actor="ann")
    assert times() == ["17 *"]
    assert PeriodicTask.objects.get().crontab is not None


def test_times_that_one_schedule_gives_up_while_another_takes_them_stay(flow: Endpoint, no_times: None) -> None:
    def together(*calls: Callable[[], object]) -> None:
        begin = threading.Barrier(len(calls))
        failed: list[BaseException] = []

        def run(call: Callable[[], object]) -> None:
            try:
                begin.wait()
                call()
            except BaseException as error:  # noqa: BLE001 - the test tells it
                failed.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=[call]) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []

    given = [made(flow, name="a", crontab="0 1 * * *"), made(flow, name="b", crontab="0 2 * * *")]
    for turn in range(10):
        crontabs = [f"0 {1 + (place + turn + 1) % 2} * * *" for place in range(2)]
        together(
            *(
                partial(schedule_change, schedule=one, crontab=crontab, actor="ann")
                for one, crontab in zip(given, crontabs, strict=True)
            ),
            partial(made, flow, name=f"new-{turn}", crontab="0 1 * * *"),
        )
        assert [schedule_get(name=name).crontab for name in "ab"] == crontabs
        schedule_delete(schedule=schedule_get(name=f"new-{turn}"), actor="ann")
        assert times() == ["0 1", "0 2"]


def test_two_who_make_schedules_of_one_name_make_one(flow: Endpoint, dsn: str) -> None:
    refused: list[Exception] = []

    def make() -> None:
        try:
            made(flow)
        except AlreadyExists as error:
            refused.append(error)
        finally:
            connection.close()

    second = threading.Thread(target=make)
    with transaction.atomic():
        made(flow)
        second.start()
        with psycopg.connect(dsn, autocommit=True) as other:
            until(lambda: other.execute(_WAITING).fetchone() == (1,))
    second.join()

    assert len(refused) == 1
    assert len(schedule_list()) == 1


def test_a_new_plan_keeps_the_times(flow: Endpoint) -> None:
    before = made(flow)

    after = schedule_change(schedule=before, plan=BatchPlan(hours=7), actor="bea")

    assert (after.plan, after.since, after.crontab) == (BatchPlan(hours=7), before.since, before.crontab)
    log = ControlLog.objects.get(action="schedule.change")
    assert (log.actor, log.before, log.after) == ("bea", {"hours": 24}, {"hours": 7})


def test_a_changed_schedule_is_checked_like_a_new_one(flow: Endpoint) -> None:
    schedule = made(flow, LINE)

    for change in (
        {"crontab": "* * * * *"},
        {"crontab": ""},
        {"zone": "Nowhere"},
        {"plan": DAY},
        {"plan": RetrainingPlan(algorithm="x")},
    ):
        with pytest.raises(BadSchedule):
            schedule_change(schedule=schedule, actor="ann", **change)
    assert schedule_get(name="nightly") == schedule


def test_a_deleted_schedule_starts_nothing_and_its_jobs_stay(flow: Endpoint) -> None:
    schedule = made(flow)
    long_known()
    schedule_start(name="nightly")

    schedule_delete(schedule=schedule, actor="ann")

    assert schedule_start(name="nightly") is None
    with pytest.raises(NotFound):
        schedule_delete(schedule=schedule, actor="ann")
    assert BatchJob.objects.count() == 1
    assert ControlLog.objects.get(action="schedule.delete").before["crontab"] == HOURLY
    # One of the same name does not start the same slot again.
    made(flow)
    long_known()
    assert schedules_look() == 0


def test_a_start_that_waits_for_a_change_goes_by_what_was_changed(flow: Endpoint, no_times: None, dsn: str) -> None:
    schedule = made(flow)
    long_known()
    ended: list[Any] = []

    def start() -> None:
        try:
            ended.append(schedule_start(name="nightly"))
        except Exception as error:  # noqa: BLE001 - the test tells it
            ended.append(error)
        finally:
            connection.close()

    starting = threading.Thread(target=start)
    with transaction.atomic():
        schedule_change(schedule=schedule, crontab="30 2 * * *", actor="ann")
        long_known()
        starting.start()
        with psycopg.connect(dsn, autocommit=True) as other:
            until(lambda: other.execute(_WAITING).fetchone() == (1,))
    starting.join()

    assert [type(one) for one in ended] == [BatchJob]
    assert ended[0].slot.endswith("T02:30 UTC")


def test_of_the_slots_of_a_schedule_only_the_latest_is_read(flow: Endpoint) -> None:
    made(flow, name="a")
    made(flow, name="b")
    for name in ("a", "b"):
        slots = (ScheduleSlot(schedule=name, slot=str(n), due_at=ago(n % 2000)) for n in range(4000))
        ScheduleSlot.objects.bulk_create(slots)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_scheduleslot")
    with CaptureQueriesContext(connection) as asked:
        listed = schedule_list()

    assert [one.latest and one.latest.slot in ("0", "2000") for one in listed] == [True, True]
    read = [query["sql"] for query in asked if "jobs_scheduleslot" in query["sql"]]
    with connection.cursor() as cursor:
        for query in read:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
            assert sum(_rows_read(cursor.fetchone()[0][0]["Plan"])) <= 2


def _rows_read(node: dict[str, Any]) -> Iterator[float]:
    """How many slots each scan of a plan has read."""
    if node.get("Relation Name") == "jobs_scheduleslot":
        yield (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    for inner in node.get("Plans", ()):
        yield from _rows_read(inner)


def test_schedules_of_some_endpoints_are_listed(flow: Endpoint) -> None:
    made(flow, name="a")

    assert [one.name for one in schedule_list(endpoints=["flow"])] == ["a"]
    assert schedule_list(endpoints=["other"]) == []
    with pytest.raises(NotFound):
        schedule_get(name="b\x00")
