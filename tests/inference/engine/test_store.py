"""Publishing versions into a folder and reading them back."""

import os
import threading
from pathlib import Path

import pytest

from inference.engine import manifest as manifests
from inference.engine import store
from inference.engine.errors import (
    ArtifactCorrupted,
    ArtifactError,
    ArtifactMissing,
    ArtifactUnlisted,
    ArtifactUnsafe,
    ManifestInvalid,
    ManifestMismatch,
)
from inference.engine.store import FolderStore
from tests.inference import tiny


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version's folder."""
    return tiny.write_version(tiny.write_endpoint(tmp_path))


@pytest.fixture
def kept(tmp_path: Path) -> FolderStore:
    """An empty store, its folder not made yet."""
    return FolderStore(tmp_path / "store")


def test_a_published_version_is_found_by_its_digest(version: Path, kept: FolderStore) -> None:
    digest = kept.publish(version)

    assert digest == tiny.digest_of(version)
    assert store.read(kept.path(digest), digest=digest) == store.read(version)


def test_publishing_twice_changes_nothing(version: Path, kept: FolderStore) -> None:
    digest = kept.publish(version)
    before = {path.name: path.stat().st_ino for path in kept.path(digest).iterdir()}

    assert kept.publish(version) == digest
    assert {path.name: path.stat().st_ino for path in kept.path(digest).iterdir()} == before
    assert [path.name for path in kept.path(digest).parent.iterdir()] == [digest.removeprefix("sha256:")]


def test_a_stored_copy_gone_bad_is_replaced_by_a_good_one(version: Path, kept: FolderStore) -> None:
    digest = kept.publish(version)
    model = kept.path(digest) / "model.onnx"
    model.unlink()
    model.write_bytes(b"bad")

    assert kept.publish(version) == digest
    assert store.read(kept.path(digest), digest=digest) == store.read(version)


def test_publishing_at_once_from_several_threads_gives_one_copy(version: Path, kept: FolderStore) -> None:
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(kept.publish(version))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert digests == [tiny.digest_of(version)] * 8
    assert len(list(kept.path(digests[0]).parent.iterdir())) == 1


def test_a_bad_folder_is_not_published_and_leaves_nothing(version: Path, kept: FolderStore) -> None:
    (version / "model.onnx").write_bytes(b"bad")

    with pytest.raises(ArtifactCorrupted):
        kept.publish(version)
    assert not kept.root.exists()


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha256:../../etc", "md5:abc", "", "sha256:" + "Z" * 64])
def test_an_unknown_digest_is_missing(kept: FolderStore, digest: str) -> None:
    with pytest.raises(ArtifactMissing):
        kept.path(digest)


def _cut(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def _lengthened(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes() + b"x")


def _flipped(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


def _swapped(folder: Path) -> None:
    one, other = (folder / "model.onnx").read_bytes(), (folder / "model.joblib").read_bytes()
    (folder / "model.onnx").write_bytes(other)
    (folder / "model.joblib").write_bytes(one)


def _pointer(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")


def _emptied(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"")


def _removed(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def _added(folder: Path) -> None:
    (folder / "extra.joblib").write_bytes(b"x")


def _added_folder(folder: Path) -> None:
    (folder / "more").mkdir()


def _linked(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.onnx"
    (folder / "model.onnx").rename(elsewhere)
    (folder / "model.onnx").symlink_to(elsewhere)


def _piped(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")


def _manifest_cut(folder: Path) -> None:
    path = folder / manifests.NAME
    path.write_bytes(path.read_bytes()[:-20])


def _manifest_linked(folder: Path) -> None:
    (folder / manifests.NAME).rename(folder.parent / "elsewhere.json")
    (folder / manifests.NAME).symlink_to(folder.parent / "elsewhere.json")


@pytest.mark.parametrize(
    ("change", "refusal", "said"),
    [
        (_cut, ArtifactCorrupted, "are listed"),
        (_lengthened, ArtifactCorrupted, "are listed"),
        (_flipped, ArtifactCorrupted, "other bytes"),
        (_swapped, ArtifactCorrupted, "are listed"),
        (_pointer, ArtifactCorrupted, "git lfs pull"),
        (_emptied, ArtifactCorrupted, "is empty"),
        (_removed, ArtifactMissing, "is not there"),
        (_added, ArtifactUnlisted, "is not listed"),
        (_added_folder, ArtifactUnlisted, "is not listed"),
        (_linked, ArtifactUnsafe, "Links are refused"),
        (_piped, ArtifactUnsafe, "not a plain file"),
        (_manifest_cut, ManifestInvalid, "read as a manifest"),
        (_manifest_linked, ArtifactUnsafe, "Links are refused"),
    ],
)
def test_a_folder_that_was_tampered_with_is_refused(
    version: Path, change: object, refusal: type[ArtifactError], said: str
) -> None:
    change(version)  # type: ignore[operator]

    with pytest.raises(refusal, match=said):
        store.read(version)


def test_a_manifest_other_than_the_known_one_is_refused(version: Path) -> None:
    digest = tiny.digest_of(version)
    tiny.change_slope(version, 3.0)

    with pytest.raises(ManifestMismatch):
        store.read(version, digest=digest)


def test_bytes_in_memory_are_held_to_the_same_rules(version: Path) -> None:
    files = store.read(version)

    assert store.verified(files, digest=tiny.digest_of(version)) == files
    for bad, refusal in (
        ({**files, "model.onnx": b"x"}, ArtifactCorrupted),
        ({**files, "more": b"x"}, ArtifactUnlisted),
        ({name: data for name, data in files.items() if name != "model.onnx"}, ArtifactMissing),
        ({name: data for name, data in files.items() if name != manifests.NAME}, ArtifactMissing),
    ):
        with pytest.raises(refusal):
            store.verified(bad)
