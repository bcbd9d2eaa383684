"""Versions that a worker has loaded, and those that can't be."""

from typing import Any

import pytest

from inference.engine.store import FolderStore
from inference.models import Endpoint
from jobs.batch import shelf
from jobs.batch import work as batch
from jobs.models import BatchJob
from jobs.services import batch_job_retry
from tests.jobs.batch.scene import read, said
from tests.jobs.orders import results

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


def test_a_version_that_cannot_be_loaded_fails_the_job_and_poisons_nothing(flow: Endpoint, settings: Any) -> None:
    job = read(flow, 10)
    model = FolderStore(settings.STORE_DIR).path(job.version.digest) / "model.onnx"
    good = model.read_bytes()
    model.unlink()
    model.write_bytes(good[:-1] + b"!")
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code) == (State.FAILED, "model_unavailable")
    assert "artifact_corrupted" in job.detail
    assert list(job.chunks.values_list("attempts", "state")) == [(0, "waiting")] * 3

    model.write_bytes(good)
    batch_job_retry(job=job, actor="ada")
    batch.work()
    job.refresh_from_db()
    assert (job.state, job.code, results(job)) == (State.DONE, "", said(10))


def test_a_few_models_are_kept_and_the_one_used_last_stays() -> None:
    class Named:
        def __init__(self, digest: str) -> None:
            self.digest = digest

    first, second, third = Named("1"), Named("2"), Named("3")
    for model in (first, second, first, third):
        shelf.keep(model)
    assert shelf.kept() == ["1", "3"]
