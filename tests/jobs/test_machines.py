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
from jobs.models import BatchJob
from tests.bucket import CREDENTIAL, Bucket, S3Server
from tests.inference import tiny
from tests.jobs.orders import order, results

State = BatchJob.State


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server for buckets, and a credential for it."""
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    server = S3Server()
    shelf.forget()
    yield server
    shelf.forget()
    server.stop()


@pytest.fixture
def bucket(server: S3Server, settings: Any) -> Bucket:
    """A bucket for uploads and versions."""
    bucket = server.bucket()
    settings.STORAGES = settings.STORAGES | bucket.storages
    return bucket


@pytest.fixture
def flow(bucket: Bucket, tmp_path: Path, settings: Any, clean_tables: None) -> Endpoint:
    """An endpoint that one machine deployed; from then on another machine is at work."""
    settings.STORE_DIR = tmp_path / "deployer"
    tiny.write_version(tiny.write_endpoint(tmp_path / "artifacts"))
    release_deploy(artifacts=tmp_path / "artifacts", into=artifacts.store(), actor="test")
    settings.STORE_DIR = tmp_path / "worker"
    return Endpoint.objects.get(slug="flow")


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
