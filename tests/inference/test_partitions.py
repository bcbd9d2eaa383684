"""The daily partitions of the predictions."""

import asyncio
import datetime
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from inference import ids, partitions
from inference.models import Prediction
from inference.recorder import Recorder
from tests.inference.recorder.told import Told, told

UTC = datetime.UTC
LONG_AGO = datetime.datetime(2020, 5, 17, 23, 30, tzinfo=UTC)
DAY = datetime.timedelta(days=1)

Rows = Callable[..., list[tuple]]


@pytest.fixture
def rows(dsn: str) -> Rows:
    """Runs a statement on the test database, committed, and gives its rows."""

    def fetch(sql: str, *params: object) -> list[tuple]:
        with psycopg.connect(dsn) as connection:
            cursor = connection.execute(sql, params)
            return cursor.fetchall() if cursor.description else []

    return fetch


@pytest.fixture(autouse=True)
def only_real_days(dsn: str, clean_tables: None) -> Iterator[None]:
    """Removes the partitions of long ago that a test made."""
    yield
    with psycopg.connect(dsn, autocommit=True) as connection:
        for (name,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^inference_prediction_2020'"
        ).fetchall():
            connection.execute(f"DROP TABLE {name}")


def row_of(moment: datetime.datetime) -> Prediction:
    """A prediction made at a moment."""
    id = uuid.UUID(int=ids.floor(moment).int + uuid.uuid4().int % 2**60)
    return Prediction(id=id, endpoint_id=1, version_id=1, source=1, request_id=uuid.uuid4(), features=[1.5, None, "a"])


def partition_of(rows: Rows, prediction: Prediction) -> str:
    """The name of the table that holds a prediction."""
    return rows("SELECT tableoid::regclass::text FROM inference_prediction WHERE id = %s", prediction.id)[0][0]


def test_migrations_leave_partitions_for_a_week(rows: Rows) -> None:
    # Of the day they ran on: this may be the next one.
    [(migrated_at,)] = rows(
        "SELECT applied FROM django_migrations WHERE (app, name) = ('inference', '0002_prediction')"
    )

    names = {
        name
        for (name,) in rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", "inference_prediction"
        )
    }

    assert {f"inference_prediction_{migrated_at + n * DAY:%Y%m%d}" for n in range(7)} <= names
    assert partitions.ensure(now=migrated_at) == []


def test_a_prediction_is_stored_in_the_partition_of_its_day(rows: Rows) -> None:
    assert partitions.ensure(1, now=LONG_AGO) == [
        "inference_prediction_20200516",
        "inference_prediction_20200517",
        "inference_prediction_20200518",
    ]
    midnight = datetime.datetime(2020, 5, 18, tzinfo=UTC)
    last, first = row_of(midnight - datetime.timedelta(milliseconds=1)), row_of(midnight)
    Prediction.objects.bulk_create([last, first])

    assert partition_of(rows, last) == "inference_prediction_20200517"
    assert partition_of(rows, first) == "inference_prediction_20200518"
    assert partitions.stray_rows() == 0
    assert Prediction.objects.get(id=first.id).features == [1.5, None, "a"]


def test_a_day_follows_utc_whatever_zone_the_clock_is_given_in() -> None:
    in_auckland = LONG_AGO.astimezone(datetime.timezone(datetime.timedelta(hours=12)))

    assert "inference_prediction_20200518" not in partitions.ensure(0, now=in_auckland)


def test_one_prediction_is_looked_for_in_one_partition(rows: Rows) -> None:
    plan = "\n".join(
        line for (line,) in rows("EXPLAIN SELECT * FROM inference_prediction WHERE id = %s", ids.prediction_id())
    )

    assert plan.count("Scan") == 1
    assert f"{datetime.datetime.now(UTC):inference_prediction_%Y%m%d}" in plan


def test_rows_without_a_partition_are_kept_alarmed_and_moved(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    stray, other = row_of(LONG_AGO), row_of(LONG_AGO + 30 * DAY)
    Prediction.objects.bulk_create([stray, other])
    txid = rows("SELECT txid::text FROM inference_prediction WHERE id = %s", stray.id)
    assert partition_of(rows, stray) == partitions.DEFAULT
    assert partitions.stray_rows() == 2
    assert "predictions_in_the_default_partition" in caplog.text

    partitions.ensure(0, now=LONG_AGO)

    assert partition_of(rows, stray) == "inference_prediction_20200517"
    assert rows("SELECT txid::text FROM inference_prediction WHERE id = %s", stray.id) == txid
    assert partitions.stray_rows() == 1


def test_whole_days_past_the_retention_are_dropped() -> None:
    partitions.ensure(3, now=LONG_AGO)
    Prediction.objects.bulk_create([row_of(LONG_AGO - 40 * DAY), row_of(LONG_AGO), row_of(LONG_AGO + 2 * DAY)])

    assert partitions.expire(1, now=LONG_AGO + 2 * DAY) == [
        "inference_prediction_20200516",
        "inference_prediction_20200517",
    ]
    assert [one.predicted_at.day for one in Prediction.objects.all()] == [19]
    assert partitions.expire(1, now=LONG_AGO + 2 * DAY) == []


def test_a_partition_that_was_left_detached_is_dropped(rows: Rows) -> None:
    partitions.ensure(0, now=LONG_AGO)
    rows("ALTER TABLE inference_prediction DETACH PARTITION inference_prediction_20200516")

    assert "inference_prediction_20200516" in partitions.expire(1, now=LONG_AGO + 5 * DAY)


def test_a_locked_table_is_tried_again(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    partitions.ensure(0, now=LONG_AGO)
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM inference_prediction")
        monkeypatch.setattr(partitions.time, "sleep", lambda _: reader.rollback())

        assert len(partitions.expire(1, now=LONG_AGO + 5 * DAY)) == 2


def test_a_table_that_stays_locked_is_an_error(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_TRIES", 2)
    monkeypatch.setattr(partitions, "_PAUSE_S", 0.0)
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT_MS", 10)
    partitions.ensure(0, now=LONG_AGO)
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM inference_prediction")

        with pytest.raises(OperationalError, match="lock timeout"):
            partitions.expire(1, now=LONG_AGO + 5 * DAY)


async def test_partitions_come_and_go_while_predictions_are_stored(dsn: str, rows: Rows) -> None:
    recorder = Recorder(dsn)
    await recorder.start()
    order: list[Told] = []

    async def store_until(finished: asyncio.Event) -> None:
        while not finished.is_set():
            burst = [Told(order) for _ in range(20)]
            for entry in burst:
                recorder.submit(entry)
            await told(burst)

    def come_and_go() -> tuple[list[str], list[str]]:
        return partitions.ensure(3, now=LONG_AGO), partitions.expire(1, now=LONG_AGO + 10 * DAY)

    finished = asyncio.Event()
    storing = asyncio.create_task(store_until(finished))
    made, dropped = await sync_to_async(come_and_go)()
    finished.set()
    await storing
    await recorder.stop()

    assert len(made) == 5
    assert dropped == made
    assert all(entry.calls == ["committed"] for entry in order)
    assert rows("SELECT count(*) FROM inference_prediction") == [(len(order),)]
