"""A bucket as a storage of Django's, for processes that fork and have threads."""

import datetime
import os
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.response import StreamingBody
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from storages.backends.s3 import S3File, S3Storage

PATIENCE_S = 30.0
LEAST_BYTES_PER_S = 64 * 1024
"""An object comes at this rate, after a while in which it need not: one that trickles would hold a worker for ever."""


class TooSlow(BotoCoreError):  # type: ignore[misc]
    """An object that came too slowly to wait for its end."""

    fmt = "The bucket gave {got} bytes of an object in {after_s:.0f} s, and was not waited for any longer."


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
            TooSlow: it came more slowly than `LEAST_BYTES_PER_S`.
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

    def get_modified_time(self, name: str) -> datetime.datetime:
        """When an object was written.

        Raises:
            FileNotFoundError, ClientError: as when it is opened.
        """
        try:
            at: datetime.datetime = super().get_modified_time(name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileNotFoundError(name) from error
            raise
        return at

    def _create_session(self) -> Any:
        session = super()._create_session()
        session.events.register("after-call.s3.GetObject", _hurry)
        return session

    def _check_bucket(self) -> None:
        """Pass if there is a bucket: else all that was in it would seem to have been removed from it."""
        try:
            self.connection.meta.client.head_bucket(Bucket=self.bucket_name)
        except ClientError as error:
            # Who may read objects need not be allowed to ask for the bucket.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise


class _Hurried:
    """An object's bytes as they come, as long as they come fast enough."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._got = 0
        self._since_s = time.monotonic()

    def read(self, most: int) -> bytes:
        """Some of the bytes, and none at the end. Each waits for one packet, which the connection's timeout bounds.

        Raises:
            TooSlow: more should be here by now.
        """
        after_s = time.monotonic() - self._since_s
        if after_s > PATIENCE_S + self._got / LEAST_BYTES_PER_S:
            self.close()
            raise TooSlow(got=self._got, after_s=after_s)
        data: bytes = self._source.read1(most)
        self._got += len(data)
        return data

    def close(self) -> None:
        """Read no more; nobody else uses the connection."""
        self._source.close()


def _hurry(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    """Let the fetch of an object, or of one of the parts in which a large one comes, end in time."""
    if "Body" in parsed:
        parsed["Body"] = StreamingBody(_Hurried(http_response.raw), parsed.get("ContentLength"))
