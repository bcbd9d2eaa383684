"""Machines that have nothing in common but Postgres and a bucket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference import artifacts
from inference.models import Endpoint
from inference.services import release_deploy
from jobs.batch import shelf
from jobs.batch import work as batch
from jobs.batch.downloads import download
from jobs.batch.work import MOST_REFUSED
from jobs.leases import MOST_ATTEMPTS
from jobs.models import BatchJob, Chunk
from jobs.services import batch_job_retry
from tests.bucket import Bucket
from tests.inference import tiny
from tests.jobs.batch import scene
from tests.jobs.orders import order, results

State = BatchJob.State


@pytest.fixture
def bucket(bucket: Bucket, settings: Any) -> Bucket:
    """A bucket for uploads and versions."""
    settings.STORAGES = settings.STORAGES | bucket.storages
    return bucket


@pytest.fixture
def flow(bucket: Bucket, tmp_path: Path, settings: Any, clean_tables: None) -> Iterator[Endpoint]:
    """An endpoint that one machine deployed; from then on another machine is at work, which has loaded nothing yet."""
    shelf.forget()
    settings.STORE_DIR = tmp_path / "deployer"
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    release_deploy(artifacts=tmp_path / "artifacts", into=artifacts.store(), actor="test")
    settings.STORE_DIR = tmp_path / "worker"
    yield Endpoint.objects.get(slug="flow")
    shelf.forget()


def test_a_worker_answers_what_others_published_and_uploaded(flow: Endpoint, bucket: Bucket, tmp_path: Path) -> None:
    job = order(flow, ["1,2", "x,1", "3,4"])

    batch.work()

    job.refresh_from_db()
    assert job.state == State.DONE
    assert [(row, error) for row, _, error in results(job)] == [(1, None), (2, "wrong_type"), (3, None)]
    assert list((tmp_path / "worker").rglob("model.onnx"))
    assert any(f"/uploads/jobs/{job.pk}/" in name for name in bucket.names)
    text = b"".join(download(job=job, format="csv").pieces).decode().splitlines()
    assert [line.split(",")[:4] for line in text] == [
        ["a", "b", "row", "status"],
        ["1", "2", "1", "ok"],
        ["x", "1", "2", "error"],
        ["3", "4", "3", "ok"],
    ]


def test_a_version_that_the_bucket_refuses_fails_its_job_in_the_end_and_no_other(
    flow: Endpoint, bucket: Bucket
) -> None:
    jobs = [order(flow, [f"{number},2"]) for number in range(1, MOST_REFUSED + 2)]
    bucket.refuse("*", "here/artifacts/*")

    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert batch.work() is False
        # Each of them is asked for once, and none keeps the next from it.
        assert set(Chunk.objects.values_list("state", "attempts")) <= {("waiting", attempt), ("waiting", attempt - 1)}
        scene.expire()

    for job in jobs:
        job.refresh_from_db()
        assert (job.state, job.code) == (State.FAILED, "model_unavailable")
        assert "403" in job.detail
    bucket.allow()
    batch_job_retry(job=jobs[0], actor="ada")
    batch.work()
    assert results(jobs[0]) == [(1, {"value": 3}, None)]
