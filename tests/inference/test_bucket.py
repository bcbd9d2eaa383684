"""Connections to a bucket belong to one process and one thread."""

import os
import threading
from collections.abc import Iterator

import pytest
from django.core.files.base import ContentFile

from inference.bucket import BucketStorage
from tests.bucket import CREDENTIAL, S3Server


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketStorage]:
    """A storage that has been used."""
    for name, value in CREDENTIAL.items():
        monkeypatch.setenv(name, value)
    server = S3Server()
    storage = BucketStorage(**server.bucket().storages["uploads"]["OPTIONS"])
    storage.save("a", ContentFile(b"x"))
    yield storage
    server.stop()


def test_threads_have_connections_of_their_own(storage: BucketStorage) -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append((storage.connection, storage.bucket.meta.client)))
    thread.start()
    thread.join()

    assert seen[0][0] is not storage.connection
    assert seen[0][1] is not storage.bucket.meta.client
    assert storage.connection is storage.connection


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_connections_of_its_own(storage: BucketStorage) -> None:
    before = (storage.connection, storage.bucket.meta.client)

    child = os.fork()
    if not child:
        mine = (storage.connection, storage.bucket.meta.client)
        os._exit(0 if not {id(one) for one in mine} & {id(one) for one in before} else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert storage.connection is before[0]
