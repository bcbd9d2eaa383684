"""Where published versions lie on disk: one folder a digest, written once, never changed.

A version's folder is `root/sha256/<hex>`. It appears there whole, by a rename, or not at all.
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from inference.engine import manifest as manifests
from inference.engine.errors import (
    ArtifactCorrupted,
    ArtifactError,
    ArtifactMissing,
    ArtifactUnlisted,
    ArtifactUnsafe,
    ManifestMismatch,
)
from inference.engine.manifest import Manifest

_LFS_POINTER = b"version https://git-lfs"


def read(folder: Path, *, digest: str | None = None) -> dict[str, bytes]:
    """Every file of a version's folder, read once and found to be what its manifest lists.

    Args:
        folder: the version's folder; it holds `manifest.json` and the files that lists, nothing else.
        digest: the manifest's digest as the database or git knows it; None where git itself holds the folder.

    Raises:
        ArtifactError: as `verified`, or a link or folder lies where a file should.
    """
    listed = _regular(folder, manifests.NAME, manifests.MAX_BYTES)
    known = _manifest(listed, digest, place=str(folder.name))
    files = {manifests.NAME: listed}
    for name, file in known.files.items():
        files[name] = _regular(folder, name, file.bytes)
    for entry in os.scandir(folder):
        files.setdefault(entry.name, b"")
    return dict(verified(files, digest=digest))


def verified(files: Mapping[str, bytes], *, digest: str | None = None) -> Mapping[str, bytes]:
    """The same files, once they are found to be what the manifest among them lists.

    Raises:
        ManifestMismatch: the manifest is not the one of this digest.
        ManifestInvalid: it is the one, and can't be read.
        ArtifactMissing, ArtifactCorrupted, ArtifactUnlisted: a file is not there, not as listed, or not listed.
    """
    if manifests.NAME not in files:
        raise ArtifactMissing(manifests.NAME, "is not there. Publish the version again.")
    known = _manifest(files[manifests.NAME], digest, place=manifests.NAME)
    place = f"{known.endpoint}/{known.tag}"
    for name, file in known.files.items():
        if name not in files:
            raise ArtifactMissing(f"{place}/{name}", "is listed and not there. Publish the version again.")
        _check(f"{place}/{name}", files[name], file)
    if unlisted := sorted(set(files) - set(known.files) - {manifests.NAME}):
        raise ArtifactUnlisted(f"{place}/{unlisted[0]}", "lies in the version's folder and is not listed. Remove it.")
    return files


class FolderStore:
    """A content-addressed store in a folder. Several processes may publish and read at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the version of this digest lies.

        Raises:
            ArtifactMissing: it is not in the store.
        """
        place = self._place(digest)
        if not place.is_dir():
            raise ArtifactMissing(digest, "is not in the store. Deploy the version again.")
        return place

    def publish(self, folder: Path) -> str:
        """Copy a version's folder into the store and say its digest. What is there already stays as it is.

        A stored copy that no longer is what its manifest lists is set aside and replaced by this good one.

        Raises:
            ArtifactError: the folder is not what its manifest lists.
        """
        files = read(folder)
        digest = manifests.digest_of(files[manifests.NAME])
        self._keep(digest, files)
        return digest

    def _keep(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Put files that were found sound into the version's place, unless sound ones are there."""
        place = self._place(digest)
        if place.is_dir():
            if self._sound(place, digest):
                return
            self._set_aside(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
        try:
            for name, data in files.items():
                _write(made / name, data)
            made.chmod(0o755)
            _sync_folder(made)
            try:
                made.rename(place)
            except OSError:
                # Another process published the same bits meanwhile; anything else is a real failure.
                if not self._sound(place, digest):
                    raise
            _sync_folder(place.parent)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _place(self, digest: str) -> Path:
        algorithm, _, text = digest.partition(":")
        if algorithm != "sha256" or len(text) != 64 or set(text) - set("0123456789abcdef"):
            raise ArtifactMissing(digest[:80], "is not a digest. It looks like `sha256:` and 64 hex digits.")
        return self.root / algorithm / text

    @staticmethod
    def _sound(place: Path, digest: str) -> bool:
        try:
            read(place, digest=digest)
        except ArtifactError:
            return False
        return True

    @staticmethod
    def _set_aside(place: Path) -> None:
        aside = Path(tempfile.mkdtemp(prefix=f".bad-{place.name[:12]}-", dir=place.parent))
        with contextlib.suppress(FileNotFoundError):
            place.rename(aside / place.name)


def _manifest(data: bytes, digest: str | None, *, place: str) -> Manifest:
    if digest is not None and manifests.digest_of(data) != digest:
        found = manifests.digest_of(data)
        raise ManifestMismatch(place, f"the manifest is {found[:19]}… and {digest[:19]}… is known. Publish it again.")
    return manifests.read(data, place=place)


def _check(place: str, data: bytes, file: manifests.File) -> None:
    """Compare one file with its line in the manifest."""
    if len(data) == file.bytes and manifests.sha256(data) == file.sha256:
        return
    if data.startswith(_LFS_POINTER):
        detail = "is a Git LFS pointer, not the file. Fetch it with `git lfs pull`."
    elif not data:
        detail = "is empty. Publish the version again."
    elif len(data) != file.bytes:
        detail = f"has {len(data):,} bytes and {file.bytes:,} are listed. Publish the version again."
    else:
        detail = "has other bytes than its listed sha256. Publish the version again."
    raise ArtifactCorrupted(place, detail)


def _regular(folder: Path, name: str, most: int) -> bytes:
    """At most `most` + 1 bytes of a regular file: enough to see that it is too long."""
    place = f"{folder.name}/{name}"
    try:
        # O_NONBLOCK: opening a pipe that someone put there must not wait for its writer.
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ArtifactMissing(place, "is not there. Publish the version again.") from None
    except OSError as error:
        raise ArtifactUnsafe(place, f"can't be opened as a plain file ({error.strerror}). Links are refused.") from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ArtifactUnsafe(place, "is not a plain file. Remove it.")
        return file.read(most + 1)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
