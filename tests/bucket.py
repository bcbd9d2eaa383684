"""A bucket on a server that speaks S3, for tests of what is kept there."""

import json
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from project import env

CREDENTIAL = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret-that-is-in-no-log"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A new bucket; `url` is what STORAGE_URL says of it."""

    url: str
    objects: Any

    @property
    def names(self) -> list[str]:
        """Of all objects, in order."""
        return sorted(one.key for one in self.objects.objects.all())

    @property
    def storages(self) -> dict[str, Any]:
        """What Django's settings say of it."""
        return env.storages(self.url, Path("/nowhere"))

    def refuse(self, action: str, *names: str) -> None:
        """From now on answer 403 to whoever does this to one of these objects, and to nothing else.

        Args:
            action: `GetObject`, `PutObject`, `DeleteObject`, or `*`.
            names: within the bucket; `*` stands for anything.
        """
        whole = [f"arn:aws:s3:::{self.objects.name}/{name}" for name in names]
        said = {"Effect": "Deny", "Principal": "*", "Action": f"s3:{action}", "Resource": whole}
        self.objects.Policy().put(Policy=json.dumps({"Version": "2012-10-17", "Statement": [said]}))

    def allow(self) -> None:
        """Refuse nothing any more."""
        self.objects.Policy().delete()


class S3Server:
    """A server on this machine, until it is stopped."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self.address = "http://{}:{}".format(*self._server.get_host_and_port())
        self._client = boto3.resource(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="owner",
            aws_secret_access_key="owner",
        )

    def bucket(self) -> Bucket:
        """A bucket of its own."""
        name = f"foretell-{uuid.uuid4()}"
        self._client.meta.client.create_bucket(Bucket=name)
        return Bucket(f"s3://{name}/here?endpoint_url={self.address}&region=us-east-1", self._client.Bucket(name))

    def stop(self) -> None:
        """Answer no more."""
        self._client.meta.client.close()
        self._server.stop()
