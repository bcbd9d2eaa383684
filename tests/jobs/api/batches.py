"""Batch jobs as tests over REST ask for them, and what lies about of their files."""

import uuid
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings as django_settings

from jobs import storage

BATCH = "/api/v1/jobs/batch/"
CSV = {"content-type": "text/csv"}
FLOW = {"endpoint": "flow"}
NOBODY = uuid.UUID("019ab3f2-7d10-7c55-9b1e-0f2b6a7c9d11")
SHEET = b"a,b\n1,2\n3,4\n-5,6\n"


def upload(client: httpx.Client, data: bytes = SHEET, **query: str) -> dict[str, Any]:
    """A job of a CSV; asserts that it was taken."""
    answer = client.post(BATCH, params=FLOW | query, content=data, headers=CSV)
    assert answer.status_code == 201, answer.text
    return answer.json()


def temporary() -> list[Path]:
    """What lies in the folder of files that are coming in."""
    return list((django_settings.FORETELL_HOME / "tmp").glob("*"))


def kept() -> list[str]:
    """Inputs in the storage that no worker has read."""
    return storage.uploads().listdir("incoming")[1] if storage.uploads().exists("incoming") else []
