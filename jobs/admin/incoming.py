"""The file that a form sends, as Django writes it aside: there whole, or said to have found no room."""

import contextlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.http import HttpRequest

from inference.http.errors import UploadStorageFull
from inference.http.uploads import FULL


class IncomingFileHandler(TemporaryFileUploadHandler):
    """Writes a form's file into the folder of uploads under way. One without room is left out, and the rest is read."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
        try:
            super().new_file(*args, **kwargs)
        except OSError as error:
            self._left_out(error)
            raise SkipFile from error

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece."""
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError as error:
            self._left_out(error)
            raise SkipFile from error

    def file_complete(self, file_size: int) -> TemporaryUploadedFile | None:
        """The file, or none where its last bytes find no room."""
        try:
            return super().file_complete(file_size)
        except OSError as error:
            self._left_out(error)
            return None

    def _left_out(self, error: OSError) -> None:
        """Note that there is no room, and remove what was written.

        Raises:
            OSError: it failed for another reason.
        """
        if file := self.__dict__.pop("file", None):
            # It tries to write what is left once more, and is removed all the same.
            with contextlib.suppress(OSError):
                file.close()
        if error.errno not in FULL:
            raise error
        self.request.found_no_room = True


def incoming(request: HttpRequest, name: str) -> TemporaryUploadedFile | None:
    """The file of a form's field; None if none was chosen.

    Raises:
        UploadStorageFull: there was no room for it.
    """
    came = request.FILES.get(name)
    if getattr(request, "found_no_room", False):
        raise UploadStorageFull
    return came if isinstance(came, TemporaryUploadedFile) else None
