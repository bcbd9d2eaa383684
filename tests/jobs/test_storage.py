"""Objects in a folder or a bucket: there whole or not at all."""

import datetime
import os
import tempfile
import threading
from pathlib import Path

import pytest
from django.conf import settings as known
from django.core.exceptions import SuspiciousOperation

from jobs import files, storage
from jobs.errors import InputLost, StorageFull, StorageRefused, StorageUnavailable
from tests.bucket import CREDENTIAL, Bucket, S3Server
from tests.jobs.files import tables
from tests.jobs.room import room


@pytest.fixture
def root(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    """The folder that holds the objects, for this test alone."""
    folder = tmp_path / "uploads"
    settings.STORAGES = known.STORAGES | {
        "uploads": known.STORAGES["uploads"] | {"OPTIONS": {"location": folder, "base_url": None}}
    }
    return folder


def objects(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_was_put_is_got_and_read_as_a_stream(root: Path, tmp_path: Path) -> None:
    (tmp_path / "came").write_bytes(b"abc")

    assert storage.put("jobs/1/2/0", b"xyz") == "jobs/1/2/0"
    assert storage.put("incoming/a.csv", tmp_path / "came") == "incoming/a.csv"
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"open")
        assert storage.put("jobs/1/input", nameless) == "jobs/1/input"

    assert storage.get("jobs/1/2/0") == b"xyz"
    assert storage.get("jobs/1/input") == b"open"
    with storage.open("incoming/a.csv") as source:
        assert [source.read(2), source.read(2), source.read(2)] == [b"ab", b"c", b""]
    assert objects(root) == ["incoming/a.csv", "jobs/1/2/0", "jobs/1/input"]


def test_nobody_else_can_read_it(root: Path) -> None:
    storage.put("jobs/1/2/0", b"x")

    for place in (root, root / "jobs", root / "jobs/1", root / "jobs/1/2", root / "jobs/1/2/0"):
        assert place.stat().st_mode & 0o077 == 0


def test_an_object_is_replaced(root: Path) -> None:
    storage.put("a", b"old and longer")
    storage.put("a", b"new")

    assert storage.get("a") == b"new"
    assert objects(root) == ["a"]


def test_what_is_not_there_is_said_so(root: Path) -> None:
    storage.put("jobs/2", b"x")
    with pytest.raises(InputLost):
        storage.get("jobs/1")


def test_without_its_folder_the_storage_is_away_and_nothing_is_lost(root: Path) -> None:
    with pytest.raises(StorageUnavailable):
        storage.get("jobs/1")


def test_a_name_leads_nowhere_else(root: Path) -> None:
    with pytest.raises(SuspiciousOperation):
        storage.put("../outside", b"x")
    with pytest.raises(SuspiciousOperation):
        storage.drop("jobs/../../outside")


def test_a_folder_goes_with_all_that_is_in_it_and_nothing_beside_it(root: Path) -> None:
    for name in ("jobs/1/1/0", "jobs/1/1/1", "jobs/1/2/0", "jobs/11/0", "other"):
        storage.put(name, b"x")

    storage.drop("jobs/1")
    storage.drop("jobs/1")
    storage.drop("other")

    assert objects(root) == ["jobs/11/0"]
    assert not (root / "jobs/1").exists()
    with pytest.raises(ValueError, match="Everything"):
        storage.drop("")


def test_while_an_object_is_being_written_nobody_sees_it(root: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow")
    storage.put("a", b"old")
    writer = threading.Thread(target=storage.put, args=("a", tmp_path / "slow"))
    writer.start()
    with (tmp_path / "slow").open("wb") as came:
        came.write(b"new")
        came.flush()
        assert storage.get("a") == b"old"
    writer.join()

    assert storage.get("a") == b"new"


def test_a_write_that_breaks_off_leaves_what_was_there(root: Path) -> None:
    storage.put("a", b"old")

    with room(1 << 16), pytest.raises(StorageFull):
        storage.put("a", b"x" * (1 << 20))

    assert storage.get("a") == b"old"
    assert objects(root) == ["a"]


def test_a_bucket_holds_objects_as_a_folder_does(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "came").write_bytes(b"abc" * 1000)

    assert storage.put("jobs/1/2/0", b"old") == "jobs/1/2/0"
    assert storage.put("jobs/1/2/0", b"xyz") == "jobs/1/2/0"
    assert storage.put("incoming/a.csv", tmp_path / "came") == "incoming/a.csv"
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"open")
        assert storage.put("jobs/1/input", nameless) == "jobs/1/input"

    assert storage.get("jobs/1/2/0") == b"xyz"
    assert storage.get("jobs/1/input") == b"open"
    with storage.open("incoming/a.csv") as source:
        assert [source.read(2), source.read(2)] == [b"ab", b"ca"]
        assert source.seekable()
    assert bucket.names == [f"here/uploads/{name}" for name in ("incoming/a.csv", "jobs/1/2/0", "jobs/1/input")]
    with pytest.raises(InputLost):
        storage.get("jobs/2")
    with pytest.raises(SuspiciousOperation):
        storage.get("../artifacts/x")


def test_a_folder_of_a_bucket_goes_with_all_that_is_in_it(bucket: Bucket) -> None:
    for name in ("jobs/1/1/0", "jobs/1/1/1", "jobs/1/2/0", "jobs/11/0", "other"):
        storage.put(name, b"x")

    storage.drop("jobs/1")
    storage.drop("jobs/1")
    storage.drop("other")

    assert bucket.names == ["here/uploads/jobs/11/0"]


@pytest.mark.parametrize("format", files.FORMATS)
def test_a_file_in_a_bucket_is_read_in_pieces(bucket: Bucket, tmp_path: Path, format: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(tables.written(format, tables.SMALL.names, [tables.ROW] * 25))
    header = files.inspect(path, format, tables.SMALL)
    storage.put("incoming/a", path)

    with storage.open("incoming/a") as source:
        pieces = list(files.split(source, format, header, most_rows=10, most_bytes=9999))

    assert [piece.rows for piece in pieces] == [10, 10, 5]
    assert files.rows(pieces[2].data, format, header, tables.SMALL) == [tables.ROW] * 5


def test_without_its_bucket_the_storage_is_away_and_nothing_is_lost(bucket: Bucket) -> None:
    storage.put("jobs/1", b"x")
    bucket.objects.objects.all().delete()
    bucket.objects.delete()

    with pytest.raises(StorageUnavailable):
        storage.get("jobs/1")


def test_a_bucket_that_is_away_is_said_so_without_its_credential(
    bucket: Bucket, settings: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    away = S3Server()
    settings.STORAGES = known.STORAGES | away.bucket().storages
    away.stop()

    for ask in (storage.get, storage.drop, lambda name: storage.put(name, b"x")):
        with pytest.raises(StorageUnavailable) as refused:
            ask("jobs/1")
        assert "secret" not in str(refused.value)
    assert "EndpointConnectionError" in caplog.text
    assert not any(secret in caplog.text for secret in CREDENTIAL.values())


def test_what_a_bucket_refuses_by_itself_is_told_from_a_bucket_that_is_away(bucket: Bucket) -> None:
    storage.put("jobs/1/1/0", b"x")
    bucket.refuse("GetObject", "*/jobs/1/1/0")

    with pytest.raises(StorageRefused) as one:
        storage.get("jobs/1/1/0")
    assert storage.refused(one.value)
    assert not storage.refused(StorageUnavailable("SlowDown"))
    bucket.refuse("*", "*")
    assert not storage.refused(one.value)


def test_objects_that_may_not_be_removed_keep_no_others(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("jobs/1/1/0", "jobs/1/1/1", "jobs/1/2/0"):
        storage.put(name, b"x")
    bucket.refuse("DeleteObject", "*/jobs/1/1/0")

    with pytest.raises(StorageRefused):
        storage.drop("jobs/1")
    assert bucket.names == ["here/uploads/jobs/1/1/0"]
    assert caplog.text == ""

    storage.discard("jobs/1")
    assert bucket.names == ["here/uploads/jobs/1/1/0"]
    assert "something is left in the storage" in caplog.text


def test_when_an_object_was_written_is_asked_of_a_bucket(bucket: Bucket) -> None:
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    storage.put("jobs/1", b"x")

    assert storage.changed_at("jobs/1") >= before
    assert storage.listed("jobs") == ([], ["1"])
    assert storage.listed("nothing") == ([], [])
    with pytest.raises(InputLost):
        storage.changed_at("jobs/2")
    bucket.refuse("HeadObject", "*")
    with pytest.raises(StorageRefused):
        storage.changed_at("jobs/1")
