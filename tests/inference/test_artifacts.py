"""Published versions in a bucket: whole or not there, fetched once a machine, and never believed unseen."""

from pathlib import Path

import pytest
from django.core.files.storage import storages
from storages.backends.s3 import S3Storage

from inference import artifacts
from inference.artifacts import ArtifactStore
from inference.engine import loader, store
from inference.engine.errors import ArtifactCorrupted, ArtifactError, ArtifactMissing, ManifestMismatch
from inference.engine.store import FolderStore
from inference.errors import ArtifactUnreachable
from tests.bucket import CREDENTIAL, Bucket, S3Server
from tests.inference import tiny


@pytest.fixture
def bucket(bucket: Bucket, settings) -> Bucket:
    """A bucket that the settings name."""
    settings.STORAGES = settings.STORAGES | bucket.storages
    return bucket


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version's folder."""
    return tiny.write_version(tiny.write_endpoint(tmp_path))


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path, settings) -> ArtifactStore:
    """The store of one machine, as the settings say."""
    settings.STORE_DIR = tmp_path / "here"
    found = artifacts.store()
    assert isinstance(found, ArtifactStore)
    return found


@pytest.fixture
def there(bucket: Bucket, tmp_path: Path) -> ArtifactStore:
    """The store of another machine."""
    return ArtifactStore(tmp_path / "there", storages["artifacts"])


def key(digest: str, name: str) -> str:
    return f"here/artifacts/sha256/{digest.removeprefix('sha256:')}/{name}"


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_without_a_bucket_versions_are_in_the_folder(settings, tmp_path: Path) -> None:
    settings.STORE_DIR = tmp_path

    assert type(artifacts.store()) is FolderStore
    assert artifacts.store().root == tmp_path


def test_what_one_machine_published_another_loads(version: Path, here: ArtifactStore, there: ArtifactStore) -> None:
    digest = here.publish(version)

    assert files(there.root) == []
    model = loader.load(there.path(digest), digest=digest)
    assert model.digest == digest == tiny.digest_of(version)
    assert store.read(there.path(digest), digest=digest) == store.read(version)


def test_what_was_fetched_needs_the_bucket_no_more(
    version: Path, here: ArtifactStore, there: ArtifactStore, bucket: Bucket
) -> None:
    digest = here.publish(version)
    there.path(digest)
    bucket.objects.objects.all().delete()

    assert store.read(there.path(digest), digest=digest) == store.read(version)


def test_publishing_twice_writes_nothing(version: Path, here: ArtifactStore, there: ArtifactStore, bucket) -> None:
    digest = here.publish(version)
    before = {one.key: one.last_modified for one in bucket.objects.objects.all()}

    assert there.publish(version) == digest
    assert {one.key: one.last_modified for one in bucket.objects.objects.all()} == before
    assert set(before) == {key(digest, path.name) for path in version.iterdir()}


def test_a_bad_copy_on_the_machine_is_fetched_anew(version: Path, here: ArtifactStore) -> None:
    digest = here.publish(version)
    model = here.path(digest) / "model.onnx"
    model.unlink()
    model.write_bytes(b"bad")

    assert store.read(here.path(digest), digest=digest) == store.read(version)


@pytest.mark.parametrize(
    ("name", "change", "refused"),
    [
        ("model.onnx", lambda data: data[:-1] + b"X", ArtifactCorrupted),
        ("model.onnx", lambda data: data[:-1], ArtifactCorrupted),
        ("model.onnx", lambda data: data + b"X", ArtifactCorrupted),
        ("manifest.json", lambda data: data.replace(b'"1.0.0"', b'"1.0.1"'), ManifestMismatch),
        ("golden.json", None, ArtifactMissing),
    ],
)
def test_what_was_changed_in_the_bucket_is_refused_until_it_is_published_again(
    version: Path, here: ArtifactStore, there: ArtifactStore, bucket: Bucket, name, change, refused
) -> None:
    digest = here.publish(version)
    changed = bucket.objects.Object(key(digest, name))
    if change is None:
        changed.delete()
    else:
        data = changed.get()["Body"].read()
        assert change(data) != data
        changed.put(Body=change(data))

    with pytest.raises(refused):
        there.path(digest)
    assert files(there.root) == []

    here.publish(version)
    assert store.read(there.path(digest), digest=digest) == store.read(version)


class Breaking(S3Storage):
    """Breaks off after so many objects."""

    left = 0

    def _save(self, name: str, content: object) -> str:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super()._save(name, content)


def test_a_version_that_is_half_published_is_not_there(
    version: Path, there: ArtifactStore, bucket: Bucket, tmp_path: Path
) -> None:
    digest, count = tiny.digest_of(version), len(list(version.iterdir()))
    for left in range(count):
        remote = Breaking(**bucket.storages["artifacts"]["OPTIONS"])
        remote.left = left
        with pytest.raises(KeyboardInterrupt):
            ArtifactStore(tmp_path / "broken", remote).publish(version)
        assert len(bucket.names) == left
        with pytest.raises(ArtifactMissing):
            there.path(digest)

    assert there.publish(version) == digest


def test_an_unknown_version_is_missing(there: ArtifactStore) -> None:
    unknown = "sha256:" + "0" * 64

    with pytest.raises(ArtifactMissing):
        there.path(unknown)
    with pytest.raises(ArtifactMissing):
        there.path("../../etc")


def test_a_bucket_that_is_away_is_said_so_without_its_credential(
    version: Path, here: ArtifactStore, bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = here.publish(version)
    away = S3Server()
    remote = S3Storage(**away.bucket().storages["artifacts"]["OPTIONS"])
    away.stop()

    for ask in (
        ArtifactStore(tmp_path / "empty", remote).path,
        lambda digest: ArtifactStore(tmp_path / "empty", remote).publish(version),
    ):
        with pytest.raises(ArtifactUnreachable) as refused:
            ask(digest)
        assert isinstance(refused.value, ArtifactError)
        assert "secret" not in str(refused.value)
    assert ArtifactStore(here.root, remote).path(digest).is_dir()
    assert not any(secret in caplog.text for secret in CREDENTIAL.values())
