"""Versions: published once, verified whenever someone doubts, pulled back into git. Never changed."""

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
from django.db import transaction

from inference.engine import loader, store
from inference.engine import manifest as manifests
from inference.engine.errors import ArtifactError
from inference.engine.manifest import Manifest
from inference.engine.store import FolderStore
from inference.errors import AlreadyExists, ReleaseInvalid, VersionConflict
from inference.models import Endpoint, Version
from inference.services.control import control_log_write


@transaction.atomic
def version_publish(*, endpoint: Endpoint, folder: Path, into: FolderStore, actor: str) -> tuple[Version, bool]:
    """Put a version's folder into the store and its row into the registry; known already, nothing changes.

    A new version is loaded and answers its golden rows first, so that what is in the registry has worked once.

    Returns:
        The version, and whether it is new.

    Raises:
        ArtifactError: the folder is not what its manifest lists, or its model does not answer as recorded.
        ReleaseInvalid: it is another endpoint's, or has other inputs than its MAJOR number says.
        VersionConflict: the tag is known with another digest.
    """
    files = store.read(folder)
    manifest = manifests.read(files[manifests.NAME], place=folder.name)
    digest = manifests.digest_of(files[manifests.NAME])
    if manifest.endpoint != endpoint.slug:
        raise ReleaseInvalid(
            manifest.tag, f"was made for endpoint {manifest.endpoint!r}, not {endpoint.slug!r}. Train it there."
        )
    known = _known(endpoint, manifest)
    if known is not None:
        if known.digest != digest:
            raise VersionConflict(endpoint.slug, known.tag, known.digest, digest)
        into.publish(folder)
        return known, False
    model = loader.load(files, digest=digest)
    _check_major(endpoint, manifest, model.signature.digest)
    into.publish(folder)
    major, minor, patch = manifest.number
    version = Version(
        endpoint=endpoint,
        algorithm=manifest.algorithm,
        major=major,
        minor=minor,
        patch=patch,
        digest=digest,
        signature_digest=model.signature.digest,
        manifest=msgspec.to_builtins(manifest),
        origin=Version.Origin.RETRAINING if patch else Version.Origin.GIT,
    )
    version.full_clean()
    version.save()
    control_log_write(actor=actor, action="version.publish", target=version, after={"digest": digest})
    return version, True


def version_verify(*, version: Version, in_store: FolderStore) -> ArtifactError | None:
    """What is wrong with a version's files in the store, or None: digests match and its golden rows are answered."""
    try:
        loader.load(in_store.path(version.digest), digest=version.digest)
    except ArtifactError as error:
        return error
    return None


def version_pull(*, version: Version, from_store: FolderStore, artifacts: Path) -> Path:
    """Write a version of the store back under `artifacts`, byte for byte, ready to be committed.

    Returns:
        Its folder.

    Raises:
        ArtifactError: the stored files are not what the manifest lists.
        AlreadyExists: the folder is there with other contents.
    """
    files = store.read(from_store.path(version.digest), digest=version.digest)
    folder = artifacts / version.endpoint.folder / version.algorithm / version.number
    if folder.exists():
        if _holds(folder, version.digest):
            return folder
        raise AlreadyExists(str(folder), "It holds other files: move it away first.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".pull-", dir=folder.parent))
    try:
        for name, data in files.items():
            (made / name).write_bytes(data)
        made.chmod(0o755)
        os.rename(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _known(endpoint: Endpoint, manifest: Manifest) -> Version | None:
    major, minor, patch = manifest.number
    return Version.objects.filter(
        endpoint=endpoint, algorithm=manifest.algorithm, major=major, minor=minor, patch=patch
    ).first()


def _check_major(endpoint: Endpoint, manifest: Manifest, signature_digest: str) -> None:
    """Versions of one algorithm with the same MAJOR have the same inputs and outputs."""
    siblings = Version.objects.filter(endpoint=endpoint, algorithm=manifest.algorithm, major=manifest.number[0])
    other = siblings.exclude(signature_digest=signature_digest).first()
    if other is not None:
        raise ReleaseInvalid(
            f"{endpoint.slug}/{manifest.tag}",
            f"has other inputs or outputs than {other.tag}. Other ones need another MAJOR number.",
        )


def _holds(folder: Path, digest: str) -> bool:
    try:
        store.read(folder, digest=digest)
    except ArtifactError:
        return False
    return True
