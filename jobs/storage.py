"""Uploads and their pieces: objects by name, in a folder or in a bucket, each there whole or not at all.

Everything goes through Django's storage `uploads`, so that web and workers need no disk in common.
"""

import contextlib
import datetime
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

from jobs.errors import InputLost, StorageFull, StorageRefused, StorageUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEW = ".new-"
_PROBE = "probe"
_BUSY = ("SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded", "429", "503")
"""A bucket that says so has too much to do, whatever it is asked for."""

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


def put(name: str, data: Path | bytes | IO[bytes]) -> str:
    """Store an object, in place of the one that has the name now, and say its name.

    Args:
        data: the bytes, or the file that holds them; one that is open may be closed afterwards.

    Raises:
        StorageFull: there is no room; the name is what it was before.
        StorageUnavailable: the bucket can't be reached.
    """
    with _told():
        if isinstance(data, bytes):
            return uploads().save(name, ContentFile(data))
        with data.open("rb") if isinstance(data, Path) else data as source:
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
        StorageRefused, PermissionError: some of it stays, all else is gone. Not logged.
        StorageUnavailable: the bucket can't be reached.
    """
    if not name:
        raise ValueError("Everything would be removed: name a folder or an object.")
    with _told(but=StorageRefused):
        storage, refused = uploads(), []
        for one in _within(storage, name):
            try:
                _delete(storage, one)
            except (ClientError, PermissionError) as error:
                refused.append(error)
        if refused:
            raise refused[0]


def discard(name: str) -> None:
    """Remove what is of no use any more, as `drop` does, if that can be done now. What stays, the retention removes."""
    try:
        drop(name)
    except (StorageUnavailable, OSError) as error:
        reason = getattr(error, "reason", "") or type(error).__name__
        logger.warning("something is left in the storage of uploads", name=name, reason=reason)


def listed(folder: str) -> tuple[list[str], list[str]]:
    """The names of folders and objects in a folder.

    Raises:
        StorageUnavailable: the bucket can't be reached, or refuses to say it.
    """
    with _told():
        try:
            folders, objects = uploads().listdir(folder)
        except FileNotFoundError:
            return [], []
    return folders, objects


def changed_at(name: str) -> datetime.datetime:
    """When an object was written.

    Raises:
        InputLost: there is none of that name.
        StorageRefused: the bucket does not say it. Not logged.
        StorageUnavailable: the bucket can't be reached.
    """
    with _told(but=StorageRefused):
        try:
            return uploads().get_modified_time(name)
        except FileNotFoundError as error:
            raise InputLost from error


def refused(error: StorageUnavailable) -> bool:
    """Whether the storage is there all the same: then what led to the error is refused by itself.

    Else the storage is away, or has too much to do: nothing is wrong with what was asked for.
    """
    if error.reason in _BUSY or isinstance(uploads(), FolderStorage):
        return False
    try:
        # The same bytes each time: several may ask at once.
        put(_PROBE, b"?")
        get(_PROBE)
    except (InputLost, StorageFull, StorageUnavailable):
        return False
    return True


def _within(storage: Storage, name: str) -> Iterator[str]:
    """All that is in a folder, and itself last."""
    try:
        folders, objects = storage.listdir(name)
    except (FileNotFoundError, NotADirectoryError):
        folders, objects = [], []
    for one in folders:
        yield from _within(storage, f"{name}/{one}")
    yield from (f"{name}/{one}" for one in objects)
    yield name


def _delete(storage: Storage, name: str) -> None:
    try:
        storage.delete(name)
    except OSError as error:
        # Somebody is writing into the folder at this moment: it stays, with what is new in it.
        if error.errno != errno.ENOTEMPTY:
            raise


@contextmanager
def _told(*, but: type[Exception] | None = None) -> Iterator[None]:
    """What storages raise as our errors.

    Args:
        but: the caller logs this one.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise
    except (BotoCoreError, ClientError) as error:
        # By its code or its class: its text may hold what a log must not.
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        reason = code or type(error).__name__
        made = StorageRefused if isinstance(error, ClientError) and _is_refusal(error) else StorageUnavailable
        if made is not but:
            logger.warning("the bucket of uploads can't be used", reason=reason)
        raise made(reason) from error


def _is_refusal(error: ClientError) -> bool:
    """Whether a bucket understood the question, and won't."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return 400 <= status < 500 and status != 429


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
