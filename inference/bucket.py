"""A bucket as a storage of Django's, for processes that fork and have threads."""

import os
import threading
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from storages.backends.s3 import S3File, S3Storage


class BucketStorage(S3Storage):
    """Objects in a bucket, over connections that no other process or thread uses.

    A worker's main process looks after files too, and forks: a child that went on with its connections would read
    answers that are its parent's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._process = os.getpid()

    @property
    def connection(self) -> Any:
        """This thread's connections."""
        if self._process != os.getpid():
            self._connections = threading.local()
            self._process = os.getpid()
        return super().connection

    @property
    def bucket(self) -> Any:
        """The bucket, over this thread's connections."""
        return self.connection.Bucket(self.bucket_name)

    def _open(self, name: str, mode: str = "rb") -> S3File:
        """The object, fetched: what is large is in a file of its own, not in memory.

        Raises:
            FileNotFoundError: there is none of that name.
            ClientError: the bucket refuses us, or there is none.
            HTTPClientError: it did not come to its end, or was replaced meanwhile.
        """
        try:
            opened = super()._open(name, mode)
        except FileNotFoundError:
            self._check_bucket()
            raise
        try:
            opened.file  # noqa: B018 - asking for it fetches it
        except Exception as error:
            opened.close()
            if isinstance(error, RetriesExceededError | S3DownloadFailedError):
                raise HTTPClientError(error=error) from error
            raise
        return opened

    def size(self, name: str) -> int:
        """Bytes of an object.

        Raises:
            FileNotFoundError, ClientError: as when it is opened.
        """
        try:
            bytes_: int = super().size(name)
        except FileNotFoundError:
            self._check_bucket()
            raise
        return bytes_

    def _check_bucket(self) -> None:
        """Pass if there is a bucket: else all that was in it would seem to have been removed from it."""
        try:
            self.connection.meta.client.head_bucket(Bucket=self.bucket_name)
        except ClientError as error:
            # Who may read objects need not be allowed to ask for the bucket.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise
