"""What is kept no longer goes, once, and nothing else."""

import datetime
import os
import uuid
from typing import Any

import pytest

from inference import ids
from inference.models import Endpoint
from jobs import storage
from jobs.models import BatchJob, Result, RunLine, ScheduleSlot, TrainingRun
from jobs.services import retention_apply
from jobs.training.steps import DATA, RUNS
from tests.bucket import Bucket
from tests.jobs.orders import order

NOW = datetime.datetime.now(datetime.UTC)
NOTHING = {"jobs": 0, "lines": 0, "slots": 0, "orphans": 0}


def days_ago(count: float) -> datetime.datetime:
    return NOW - datetime.timedelta(days=count)


@pytest.fixture(autouse=True)
def uploads(flow: Endpoint) -> None:
    """A storage without what other tests left."""
    for folder in ("incoming", "jobs", RUNS, DATA):
        storage.drop(folder)


def aged(name: str, days: float) -> str:
    """Store an object that has been there for some days."""
    storage.put(name, b"x")
    then = days_ago(days).timestamp()
    os.utime(storage.uploads().path(name), (then, then))
    return name


def there(name: str) -> bool:
    return storage.uploads().exists(name)


def id_of(days: float) -> uuid.UUID:
    """An id made some days ago."""
    return uuid.UUID(int=ids.floor(days_ago(days)).int | uuid.uuid4().int % 2**60)


def over(flow: Endpoint, days: float, **said: Any) -> BatchJob:
    """A job that ended some days ago, with a result and a piece."""
    job = order(flow, ["1,2"])
    values = {"state": "done", "finished_at": days_ago(days), **said}
    BatchJob.objects.filter(pk=job.pk).update(**values)
    job.pk = values.get("id", job.pk)
    Result.objects.create(job=job, row=1, output={"value": 3.0})
    storage.put(f"jobs/{job.pk}/1/0", b"1,2\n")
    return job


def test_old_jobs_lose_their_results_and_keep_their_rows(flow: Endpoint) -> None:
    old, young = over(flow, 31), over(flow, 29)
    running = over(flow, 31, state="running")

    assert retention_apply(days=30) == {**NOTHING, "jobs": 1}
    assert retention_apply(days=30) == NOTHING

    old.refresh_from_db()
    assert old.expired_at is not None
    assert set(Result.objects.values_list("job_id", flat=True)) == {uuid.UUID(str(one.pk)) for one in (young, running)}
    assert not there(f"jobs/{old.pk}/1/0")
    assert there(f"jobs/{young.pk}/1/0")


def test_what_an_interrupted_removal_left_goes_the_next_time(flow: Endpoint) -> None:
    at = days_ago(3)
    half_gone = over(flow, 33, expired_at=at, file=aged("incoming/half-gone.csv", 33))
    Result.objects.create(job=over(flow, 1), row=2, output={"value": 3.0})

    assert retention_apply(days=30) == {**NOTHING, "jobs": 1}
    assert retention_apply(days=30) == NOTHING

    half_gone.refresh_from_db()
    assert half_gone.expired_at == at
    assert not Result.objects.filter(job=half_gone.pk).exists()
    assert not there(half_gone.file)


def test_an_upload_whose_job_has_expired_goes_by_itself(flow: Endpoint) -> None:
    job = order(flow, ["1,2"])
    name = aged("incoming/left.csv", 33)
    BatchJob.objects.filter(pk=job.pk).update(state="failed", file=name, finished_at=days_ago(33), expired_at=NOW)

    assert retention_apply(days=30) == {**NOTHING, "orphans": 1}
    assert not there(name)


def test_old_lines_of_runs_that_are_over_go(flow: Endpoint) -> None:
    runs = [
        TrainingRun.objects.create(endpoint=flow, algorithm=f"a{state}", policy="approve", slot=state, state=state)
        for state in ("failed", "running")
    ]
    for run in runs:
        for days in (31, 1):
            RunLine.objects.create(run=run, at=days_ago(days), text=f"{run.state} {days}")

    assert retention_apply(days=30) == {**NOTHING, "lines": 1}

    assert sorted(RunLine.objects.values_list("text", flat=True)) == ["failed 1", "running 1", "running 31"]


def test_old_slots_go_but_for_each_schedules_latest(flow: Endpoint, settings: Any) -> None:
    settings.RETENTION_DAYS = 400
    for schedule, days in (("yearly", 800), ("yearly", 420), ("nightly", 500), ("nightly", 399)):
        ScheduleSlot.objects.create(schedule=schedule, slot=str(days), due_at=days_ago(days))

    assert retention_apply(days=30) == {**NOTHING, "slots": 2}

    assert set(ScheduleSlot.objects.values_list("schedule", "slot")) == {("yearly", "420"), ("nightly", "399")}


def test_objects_that_belong_to_nothing_go_after_a_day(flow: Endpoint) -> None:
    job = over(flow, 0)
    of_a_job = aged("incoming/of-a-job.csv", 2)
    BatchJob.objects.filter(pk=job.pk).update(file=of_a_job)
    lost, fresh = aged("incoming/lost.csv", 2), aged("incoming/fresh.csv", 0.5)
    half_written = aged("incoming/.new-abc", 2)
    no_job, just_now = aged(f"jobs/{id_of(2)}/1/0", 2), aged(f"jobs/{id_of(0.5)}/1/0", 0)
    strange = aged("jobs/README/1", 9)

    assert retention_apply(days=30) == {**NOTHING, "orphans": 3}
    assert retention_apply(days=30) == NOTHING

    assert [there(one) for one in (of_a_job, lost, fresh, half_written)] == [True, False, True, False]
    assert [there(one) for one in (no_job, just_now, strange)] == [False, True, True]


def test_what_runs_put_aside_goes_once_they_are_over(flow: Endpoint) -> None:
    def run(state: str, **said: Any) -> TrainingRun:
        return TrainingRun.objects.create(
            id=id_of(2), endpoint=flow, algorithm=state, policy="approve", slot=uuid.uuid4().hex, state=state, **said
        )

    version = flow.versions.get()
    kept = [
        run("running", data={"file": aged(f"{DATA}/1.gz", 40)}),
        run("failed", data={"file": aged(f"{DATA}/2.gz", 40)}, finished_at=days_ago(29)),
        run("deployed", data={"file": aged(f"{DATA}/3.gz", 40)}, finished_at=days_ago(40), candidate=version),
    ]
    gone = run("refused", data={"file": aged(f"{DATA}/4.gz", 40)}, finished_at=days_ago(40))
    for one in (*kept, gone):
        aged(f"{RUNS}/{one.pk}/1/model.onnx", 2)

    assert retention_apply(days=30) == {**NOTHING, "orphans": 4}

    assert [there(one.data["file"]) for one in (*kept, gone)] == [True, True, True, False]
    assert [there(f"{RUNS}/{one.pk}/1/model.onnx") for one in (*kept, gone)] == [True, False, False, False]


def test_an_empty_storage_is_no_trouble(flow: Endpoint) -> None:
    assert retention_apply(days=30) == NOTHING


def test_what_a_bucket_does_not_let_go_keeps_nothing_else(
    flow: Endpoint, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    refused, old = (over(flow, days, id=id_of(days)) for days in (33, 32))
    lost = [f"jobs/{id_of(2)}/1/0" for _ in range(2)]
    for name in lost:
        storage.put(name, b"x")
    bucket.refuse("DeleteObject", f"here/uploads/jobs/{refused.pk}/*", f"here/uploads/{min(lost)}")

    assert retention_apply(days=30) == {**NOTHING, "jobs": 2, "orphans": 1}

    assert not Result.objects.exists()
    assert [there(f"jobs/{job.pk}/1/0") for job in (refused, old)] == [True, False]
    assert [there(name) for name in sorted(lost)] == [True, False]
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert "'objects': 2" in told[0]
    assert retention_apply(days=30) == NOTHING
    bucket.allow()
    assert retention_apply(days=30) == {**NOTHING, "orphans": 2}
