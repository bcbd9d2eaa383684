"""Bodies that wait on the disk: in the folder of uploads, read to their end also where there is no room."""

import json
import os
from pathlib import Path

import pytest
from django.conf import settings as known

from inference.http.errors import UploadStorageFull
from project.bodies import limited
from project.spool import SpoolingHandler
from tests.jobs.room import room

PIECE = b"x" * 65536
PIECES = known.FILE_UPLOAD_MAX_MEMORY_SIZE // len(PIECE) + 10


@pytest.fixture
def folder(tmp_path, settings) -> Path:
    """The folder of uploads, which nobody has made yet."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "home" / "tmp"
    return settings.FILE_UPLOAD_TEMP_DIR


class Sender:
    """A client that sends so many pieces."""

    def __init__(self, pieces: int) -> None:
        self.left = pieces

    async def receive(self):
        self.left -= 1
        return {"type": "http.request", "body": PIECE, "more_body": self.left > 0}


async def test_a_large_body_waits_in_the_folder_of_uploads(folder):
    with await SpoolingHandler().read_body(Sender(PIECES).receive) as spool:
        assert os.readlink(f"/proc/self/fd/{spool.fileno()}").startswith(f"{folder}/")
        assert spool.read() == PIECE * PIECES


async def test_a_small_one_is_kept_in_memory_and_needs_no_folder(folder):
    with await SpoolingHandler().read_body(Sender(1).receive) as spool:
        assert spool.read() == PIECE
    assert not folder.exists()


async def test_a_body_without_room_is_read_to_its_end_and_refused(folder, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = len(PIECE)
    sender, told = Sender(20), []

    async def send(message):
        told.append(message)

    with room(2 * len(PIECE)):
        scope = {"type": "http", "path": "/", "method": "POST", "headers": []}
        await limited(SpoolingHandler(), scope, sender.receive, send)
    assert sender.left == 0
    problem = json.loads(told[1]["body"])
    assert (told[0]["status"], problem["code"], problem["detail"]) == (507, "storage_full", str(UploadStorageFull()))
    assert list(folder.iterdir()) == []
