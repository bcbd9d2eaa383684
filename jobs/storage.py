"""Uploads and their pieces: objects by name, in a folder or in a bucket, each there whole or not at all.

Everything goes through Django's storage `uploads`, so that web and workers need no disk in common.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

from jobs.errors import InputLost, StorageFull, StorageUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEW = ".new-"

logger = structlog.get_logger(__name__)


class FolderStorage(FileSystemStorage):
    """Objects as files in a folder that only this user reads. Written aside, made durable, then renamed."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The same name: what was there is replaced."""
        return name

    def _open(self, name: str, mode: str = "rb") -> File:
        try:
            opened: File = super()._open(name, mode)
        except FileNotFoundError as error:
            if not Path(self.location).is_dir():
                # Not mounted, it may be: what is on it was not removed.
                logger.warning("the folder of uploads is not there", folder=str(self.location))
                raise StorageUnavailable from error
            raise
        return opened

    def _save(self, name: str, content: File) -> str:
        place = Path(self.path(name))
        _make(place.parent)
        handle, made = tempfile.mkstemp(prefix=_NEW, dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(handle)
            os.rename(made, place)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made)
            raise
        _sync(place.parent)
        return name


def uploads() -> Storage:
    """The storage that all of this is about."""
    return storages["uploads"]


def put(name: str, data: Path | bytes) -> str:
    """Store an object, in place of the one that has the name now, and say its name.

    Args:
        data: the bytes, or the file that holds them.

    Raises:
        StorageFull: there is no room; the name is what it was before.
        StorageUnavailable: the bucket can't be reached.
    """
    with _told():
        if isinstance(data, bytes):
            return uploads().save(name, ContentFile(data))
        with data.open("rb") as source:
            return uploads().save(name, File(source))


def get(name: str) -> bytes:
    """An object's bytes.

    Raises:
        InputLost: there is none of that name.
        StorageUnavailable: the bucket can't be reached, or the folder of all objects is not there.
    """
    with open(name) as source:
        return source.read()


@contextmanager
def open(name: str) -> Iterator[BinaryIO]:
    """An object to be read as a stream; what is large is never whole in memory.

    Raises:
        InputLost, StorageUnavailable: as `get`.
    """
    with _told():
        try:
            source = uploads().open(name)
        except FileNotFoundError as error:
            raise InputLost from error
        try:
            yield cast(BinaryIO, source)
        finally:
            source.close()


def drop(name: str) -> None:
    """Remove an object, or every object in the folder of that name. What is not there need not be removed.

    Raises:
        StorageUnavailable: the bucket can't be reached.
    """
    if not name:
        raise ValueError("Everything would be removed: name a folder or an object.")
    with _told():
        _drop(uploads(), name)


def _drop(storage: Storage, name: str) -> None:
    try:
        folders, objects = storage.listdir(name)
    except (FileNotFoundError, NotADirectoryError):
        folders, objects = [], []
    for one in folders:
        _drop(storage, f"{name}/{one}")
    for one in objects:
        storage.delete(f"{name}/{one}")
    try:
        storage.delete(name)
    except OSError as error:
        # Somebody is writing into the folder at this moment: it stays, with what is new in it.
        if error.errno != errno.ENOTEMPTY:
            raise


@contextmanager
def _told() -> Iterator[None]:
    """What storages raise as our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise
    except (BotoCoreError, ClientError) as error:
        # By its code or its class: its text may hold what a log must not.
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        logger.warning("the bucket of uploads can't be used", reason=code or type(error).__name__)
        raise StorageUnavailable from error


def _make(folder: Path) -> None:
    """Make a folder for this user alone, and those above it that are not there; each is durable before it is used."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
