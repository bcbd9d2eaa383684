"""Objects that a bucket does not give although it answers, and what is worked on meanwhile."""

from collections.abc import Iterator

import pytest
from django.conf import settings as known

from inference.models import Endpoint
from jobs import storage
from jobs.batch import work as batch
from jobs.batch.work import MOST_REFUSED
from jobs.models import BatchJob, Chunk
from tests.bucket import CREDENTIAL, Bucket, S3Server
from tests.jobs.batch.scene import line, read, said
from tests.jobs.orders import order, results

pytestmark = pytest.mark.usefixtures("small_chunks")
State = BatchJob.State


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server for buckets."""
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch, settings: pytest.FixtureRequest) -> Bucket:
    """A bucket that holds the uploads; models are in a folder."""
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    bucket = server.bucket()
    settings.STORAGES = known.STORAGES | {"uploads": bucket.storages["uploads"]}
    return bucket


def refuse(bucket: Bucket, name: str) -> None:
    """Let the bucket answer 403 to whoever asks for the object: it is archived."""
    bucket.objects.put_object(Key=f"here/uploads/{name}", Body=storage.get(name), StorageClass="GLACIER")


def test_other_pieces_are_worked_on_beside_one_that_is_refused(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 10)
    piece = job.chunks.get(number=0).file
    data = storage.get(piece)
    refuse(bucket, piece)

    assert batch.work() is False

    assert list(job.chunks.values_list("state", "attempts")) == [("waiting", 0), ("done", 1), ("done", 1)]
    storage.put(piece, data)
    batch.work()
    job.refresh_from_db()
    assert (job.state, results(job)) == (State.DONE, said(10))


def test_other_jobs_are_read_beside_one_whose_input_is_refused(flow: Endpoint, bucket: Bucket) -> None:
    refused, other = order(flow, map(line, range(9))), order(flow, map(line, range(10)))
    refuse(bucket, refused.file)

    batch.work()

    refused.refresh_from_db()
    other.refresh_from_db()
    assert (refused.state, refused.attempts) == (State.QUEUED, 0)
    assert (other.state, results(other)) == (State.DONE, said(10))


def test_a_look_ends_when_the_storage_refuses_one_after_another(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 20)
    for chunk in job.chunks.filter(number__lt=MOST_REFUSED):
        refuse(bucket, chunk.file)

    assert batch.work() is False

    assert set(Chunk.objects.values_list("state", "attempts")) == {("waiting", 0)}
    # Out of their row, they do no harm.
    job.chunks.filter(number=2).update(number=9)
    batch.work()
    assert job.chunks.filter(state="done").count() == 2


def test_a_look_that_ends_with_a_refusal_does_not_ask_for_another_at_once(flow: Endpoint, bucket: Bucket) -> None:
    job = read(flow, 10)
    refuse(bucket, job.chunks.get(number=0).file)

    assert batch.work(for_s=0) is False
