"""Replays: a query job from the stored predictions to its report, by the very functions that workers run."""

import csv
import datetime
import io
import random
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from django.db.models import F
from django.db.models.functions import Now

from inference import ids
from inference.engine.store import FolderStore
from inference.models import Device, Endpoint, Feedback, Prediction, Version
from inference.services import release_deploy
from jobs.batch import work as batch
from jobs.batch.downloads import download
from jobs.errors import LeaseLost
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob, Chunk, Result
from jobs.replay import replay
from jobs.replay.query import Selection
from jobs.services import batch_job_retry, batch_query_create
from tests.inference import tiny
from tests.jobs.answered import store

ROWS = [[float(n % 50), float(n % 7)] for n in range(400)]


@pytest.fixture
def steep(flow: Endpoint, tmp_path: Path, settings: Any) -> Version:
    """`line-1.1.0` of `flow`, which answers 1.5 · (a + b)."""
    tiny.write_version(tmp_path / "artifacts" / "flow", number="1.1.0", slope=1.5)
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(settings.STORE_DIR), actor="test")
    return flow.versions.get(minor=1)


def asked(flow: Endpoint, version: Version | None = None, **said: Any) -> BatchJob:
    """A query over all that is stored."""
    until = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
    times = {"since": Prediction.objects.earliest("id").predicted_at, "until": until}
    return batch_query_create(endpoint=flow, version=version, selection=Selection(**times, **said), actor="ann")


def done(job: BatchJob) -> BatchJob:
    """The job, after a worker worked on it until nothing was left."""
    while batch.work():
        pass
    job.refresh_from_db()
    return job


def test_a_query_asks_every_stored_row_and_reports_what_differs(flow: Endpoint, steep: Version) -> None:
    store(flow, ROWS)

    job = done(asked(flow, steep))

    assert (job.state, job.rows, job.detail) == ("done", 400, "")
    outputs = [value["value"] for value in Result.objects.filter(job=job.pk).values_list("output", flat=True)]
    assert outputs == pytest.approx([1.5 * (a + b) for a, b in ROWS], rel=1e-6)
    report = job.report
    assert (report["format"], report["version"], report["kind"], report["unit"]) == (
        1,
        "line-1.1.0",
        "regression",
        "l/s",
    )
    assert (report["rows"], report["compared"], report["neither"]) == (400, 400, 0)
    differences = [0.5 * (a + b) for a, b in ROWS]
    assert report["differences"]["mean"] == pytest.approx(sum(differences) / 400, rel=1e-5)
    assert report["differences"]["largest_absolute"] == pytest.approx(max(differences), rel=1e-5)
    assert report["versions_then"] == {"line-1.0.0": 400}
    assert report["agreement"]["count"] == sum(one <= report["tolerance"] for one in differences)


def test_the_version_that_answered_agrees_with_itself(flow: Endpoint) -> None:
    store(flow, ROWS)

    job = done(asked(flow))

    assert job.report["agreement"]["rate"] == 1.0
    assert job.report["slices"] == []
    assert job.report["quality"] is None


def test_a_slice_in_which_a_version_differs_is_found(flow: Endpoint) -> None:
    choose = random.Random(3)
    rows = [[choose.uniform(-50, 50), choose.uniform(-50, 50)] for _ in range(2000)]
    fan, pump = Device.objects.create(name="fan-1"), Device.objects.create(name="pump-7")
    # All of one hour: hours are slices too.
    hour = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    store(flow, [row for row in rows if row[1] < 30], device=fan, at=hour)
    # What was answered then differs from the version where b is 30 or more, on one device's rows only.
    store(flow, [row for row in rows if row[1] >= 30], slope=2.0, device=pump, at=hour + datetime.timedelta(minutes=1))

    report = done(asked(flow)).report

    first, second = report["slices"][:2]
    assert {first["by"], second["by"]} == {"device", "input"}
    device, numbers = sorted((first, second), key=lambda one: one["by"])
    assert (device["value"], device["stands_out"]) == ("pump-7", True)
    assert (numbers["name"], numbers["high"], numbers["stands_out"]) == ("b", None, True)
    assert numbers["low"] >= 30


def test_the_latest_feedback_counts(flow: Endpoint, steep: Version) -> None:
    first, second, _ = store(flow, [[2, 0], [4, 0], [6, 0]])

    def told(prediction: Prediction, value: float, revision: int) -> None:
        Feedback.objects.create(
            prediction=prediction, endpoint=flow, source="service:lab", revision=revision, value=value
        )

    told(first, 99.0, 1)
    told(first, 3.0, 2)
    told(second, 4.0, 1)

    quality = done(asked(flow, steep)).report["quality"]

    # Then 2 and 4, now 3 and 6; in truth 3 and 4.
    assert (quality["rows"], quality["better"], quality["worse"]) == (2, 1, 1)
    assert (quality["then"]["mae"], quality["now"]["mae"]) == (0.5, 1.0)


def test_rows_that_lack_an_input_of_the_version_end_as_errors(flow: Endpoint, tmp_path: Path, settings: Any) -> None:
    tiny.write_version(tmp_path / "artifacts" / "flow", number="2.0.0", names="bc")
    release_deploy(artifacts=tmp_path / "artifacts", into=FolderStore(settings.STORE_DIR), actor="test")
    store(flow, ROWS[:10])

    job = done(asked(flow, flow.versions.get(major=2)))

    assert job.state == "done"
    assert set(Result.objects.filter(job=job.pk).values_list("error", flat=True)) == {"missing_feature"}
    assert (job.report["rows"], job.report["compared"], job.report["only_then"]) == (10, 0, 10)


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_downloads_hold_what_was_answered_then_beside_what_is_now(flow: Endpoint, steep: Version, format: str) -> None:
    pump = Device.objects.create(name="pump-7")
    first, second = store(flow, [[1, 3], [2, 4]], device=pump)
    Prediction.objects.filter(pk=second.pk).update(output=None, error="model_error")
    job = done(asked(flow, steep))

    data = b"".join(download(job=job, format=format).pieces)

    rows = pq.read_table(io.BytesIO(data)).to_pylist() if format == "parquet" else None
    if format == "csv":
        rows = [
            {name: cell or None for name, cell in row.items()} for row in csv.DictReader(io.StringIO(data.decode()))
        ]
    rows = rows or [msgspec.json.decode(line) for line in data.splitlines()]
    assert [row["then_id"] for row in rows] == [str(first.pk), str(second.pk)]
    assert [(row["then_device"], row["then_version"]) for row in rows] == [("pump-7", "line-1.0.0")] * 2
    assert [row["then_error"] for row in rows] == [None, "model_error"]
    assert [row["then_value"] and float(row["then_value"]) for row in rows] == [4.0, None]
    now = [row["output"]["value"] if format == "ndjson" else row["value"] for row in rows]
    assert [float(value) for value in now] == [6.0, 9.0]


def test_nothing_selected_is_a_failed_job(flow: Endpoint) -> None:
    store(flow, ROWS[:3])

    job = done(asked(flow, device=Device.objects.create(name="pump-7").name))

    assert (job.state, job.code, job.report) == ("failed", "no_rows", None)


def test_a_job_keeps_what_makes_it_repeatable(flow: Endpoint) -> None:
    store(flow, ROWS[:10])
    job = done(asked(flow))
    again = asked(flow)
    store(flow, ROWS[:10], at=ids.time_of(Prediction.objects.latest("id").id))
    done(again)

    assert len(job.file_sha256) == 64
    assert (job.rows, again.rows) == (10, 20)
    assert job.columns[:2] == ["a", "b"]
    assert job.carried == job.columns[2:]


def test_a_report_is_made_once_and_anew_when_rows_are_tried_again(flow: Endpoint) -> None:
    store(flow, ROWS[:10])
    job = done(asked(flow))
    assert replay.claim_unreported() is None
    Chunk.objects.filter(job=job).update(errors={"model_error": 1})

    batch_job_retry(job=job, actor="ann")
    job.refresh_from_db()
    assert job.report is None
    done(job)

    assert job.report["rows"] == 10


def test_a_report_that_a_retry_overtook_does_not_count(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    store(flow, ROWS[:10])
    job = asked(flow)
    monkeypatch.setattr(replay, "claim_unreported", lambda **_: None)
    done(job)
    monkeypatch.undo()
    lease = replay.claim_unreported()
    assert lease is not None
    BatchJob.objects.filter(pk=job.pk).update(state=BatchJob.State.RUNNING)

    with pytest.raises(LeaseLost):
        replay.report(lease)

    job.refresh_from_db()
    assert (job.state, job.report) == ("running", None)


def test_a_report_of_results_that_were_tried_again_does_not_count(
    flow: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(flow, ROWS[:10])
    job = asked(flow)
    monkeypatch.setattr(replay, "claim_unreported", lambda **_: None)
    done(job)
    monkeypatch.undo()
    late = replay.claim_unreported()
    assert late is not None
    Chunk.objects.filter(job=job).update(errors={"model_error": 1})
    batch_job_retry(job=job, actor="ann")
    monkeypatch.setattr(replay, "claim_unreported", lambda **_: None)
    assert done(job).state == "done"
    monkeypatch.undo()

    with pytest.raises(LeaseLost):
        replay.report(late)

    job.refresh_from_db()
    assert job.report is None
    assert done(job).report["rows"] == 10


def test_a_report_whose_worker_died_is_made_by_another_one(flow: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    store(flow, ROWS[:10])
    job = asked(flow)
    monkeypatch.setattr(replay, "claim_unreported", lambda **_: None)
    done(job)
    monkeypatch.undo()
    dead = replay.claim_unreported()
    assert dead is not None
    assert replay.claim_unreported() is None
    BatchJob.objects.filter(pk=job.pk).update(leased_until=Now() - datetime.timedelta(seconds=1))

    done(job)

    assert job.report["rows"] == 10
    # It was only stopped, and wakes up.
    with pytest.raises(LeaseLost):
        replay.report(dead)


def test_a_report_that_ends_its_workers_is_given_up(flow: Endpoint) -> None:
    store(flow, ROWS[:10])
    job = done(asked(flow))
    BatchJob.objects.filter(pk=job.pk).update(report=None, attempts=F("attempts") + 2 * MOST_ATTEMPTS)

    assert replay.claim_unreported() is None
    assert replay.give_up() == 1
    assert replay.give_up() == 0

    job.refresh_from_db()
    assert (job.state, job.code) == ("done", "poison")
    assert "report" in job.detail


def test_a_report_that_comes_after_it_was_given_up_does_not_count(
    flow: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(flow, ROWS[:10])
    job = asked(flow)
    monkeypatch.setattr(replay, "claim_unreported", lambda **_: None)
    done(job)
    monkeypatch.undo()
    late = replay.claim_unreported()
    assert late is not None
    past = Now() - datetime.timedelta(seconds=1)
    BatchJob.objects.filter(pk=job.pk).update(leased_until=past, attempts=2 * MOST_ATTEMPTS)
    assert replay.give_up() == 1

    with pytest.raises(LeaseLost):
        replay.report(late)

    job.refresh_from_db()
    assert (job.code, job.report) == ("poison", None)
