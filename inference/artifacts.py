"""Where published versions are: in a folder, or in a bucket with a folder in front of it on each machine.

In a bucket a version's manifest is written last and is what makes it there: a version that is half there is not there.
What is fetched is compared with its digests before it is kept, so nobody has to trust the bucket.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from inference.engine import manifest as manifests
from inference.engine import store as engine_store
from inference.engine.errors import ArtifactCorrupted, ArtifactError, ArtifactMissing, ManifestMismatch
from inference.engine.store import FolderStore
from inference.errors import ArtifactUnreachable

ALIAS = "artifacts"
"""The name of the bucket among Django's storages, where there is one."""


def store() -> FolderStore:
    """The store of this machine, as the settings say."""
    if ALIAS in settings.STORAGES:
        return ArtifactStore(Path(settings.STORE_DIR), storages[ALIAS])
    return FolderStore(Path(settings.STORE_DIR))


class ArtifactStore(FolderStore):
    """A content-addressed store in a bucket. The folder holds copies of what this machine used, and is never asked
    what there is: it may be thrown away.
    """

    def __init__(self, root: Path, remote: Storage) -> None:
        super().__init__(root)
        self._remote = remote

    def path(self, digest: str) -> Path:
        """Where this machine has the version of this digest; it is fetched if need be.

        Raises:
            ArtifactMissing: it is not in the bucket.
            ArtifactCorrupted, ManifestMismatch: what is there is not what was published.
            ArtifactUnreachable: the bucket can't be read.
        """
        place = self._place(digest)
        if not (place.is_dir() and self._sound(place, digest)):
            self._keep(digest, self._fetched(digest))
        return place

    def publish(self, folder: Path) -> str:
        """Copy a version's folder into the bucket, its manifest last, and say its digest.

        What is there already stays as it is, unless it is not what the manifest lists.

        Raises:
            ArtifactError: the folder is not what its manifest lists, or the bucket can't be used.
        """
        files = engine_store.read(folder)
        digest = manifests.digest_of(files[manifests.NAME])
        if not self._is_whole(digest):
            place = self._place(digest)
            for name in sorted(files, key=lambda name: name == manifests.NAME):
                with _told(f"{digest}/{name}"):
                    self._remote.save(_name(place, name), ContentFile(files[name]))
        self._keep(digest, files)
        return digest

    def _is_whole(self, digest: str) -> bool:
        """Whether the bucket holds the version, byte for byte."""
        try:
            self._fetched(digest)
        except ArtifactUnreachable:
            raise
        except ArtifactError:
            return False
        return True

    def _fetched(self, digest: str) -> dict[str, bytes]:
        """Every file of a version, found to be what the manifest lists."""
        place = self._place(digest)
        listed = self._read(digest, place, manifests.NAME, manifests.MAX_BYTES)
        if manifests.digest_of(listed) != digest:
            raise ManifestMismatch(digest, "the manifest in the bucket is another one. Publish the version again.")
        files = {manifests.NAME: listed}
        for name, file in manifests.read(listed, place=digest).files.items():
            files[name] = self._read(digest, place, name, file.bytes)
        return dict(engine_store.verified(files, digest=digest))

    def _read(self, digest: str, place: Path, name: str, most: int) -> bytes:
        with _told(f"{digest}/{name}"):
            try:
                size = self._remote.size(_name(place, name))
                if size > most:
                    raise ArtifactCorrupted(
                        f"{digest}/{name}", f"has {size:,} bytes in the bucket; at most {most:,} fit."
                    )
                with self._remote.open(_name(place, name)) as source:
                    return source.read()
            except FileNotFoundError:
                raise ArtifactMissing(f"{digest}/{name}", "is not in the bucket. Publish the version again.") from None


def _name(place: Path, name: str) -> str:
    """A file's name in the bucket."""
    return f"{place.parent.name}/{place.name}/{name}"


@contextmanager
def _told(place: str) -> Iterator[None]:
    """What the bucket's client raises as our errors."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "?")
        raise ArtifactUnreachable(place, f"can't be reached in the bucket ({code}).") from error
    except BotoCoreError as error:
        raise ArtifactUnreachable(place, f"can't be reached in the bucket ({type(error).__name__}).") from error
