"""Telling entries what became of them: each once, whatever the others do when they are told."""

import structlog

from inference.engine.errors import ForetellError
from inference.recorder.entries import Entry
from inference.recorder.groups import Group

BEHIND_ROWS = 10_000
"""How many rows of the `fast` policy may wait."""

logger = structlog.get_logger(__name__)


class Answers:
    """Calls entries back, and knows how many rows wait whose answers have already left."""

    def __init__(self) -> None:
        self._behind: dict[int, int] = {}
        self._behind_rows = 0

    def expect_behind(self, entry: Entry) -> bool:
        """Count an entry whose answer has already left; false if too many such rows wait."""
        if self._behind_rows + entry.rows > BEHIND_ROWS:
            return False
        self._behind[id(entry)] = entry.rows
        self._behind_rows += entry.rows
        return True

    def release(self, group: Group) -> None:
        """Tell the entries of a stored group, in order."""
        for place, entry in enumerate(group.entries):
            try:
                if place in group.refusals:
                    entry.refused(group.refusals[place])
                else:
                    entry.committed()
            except Exception:
                logger.exception("an entry could not be told its outcome", request_id=entry.request_id)
        if self._behind:
            for entry in group.entries:
                self._behind_rows -= self._behind.pop(id(entry), 0)

    def fail(self, entry: Entry, error: ForetellError) -> None:
        """Tell an entry that it is not stored."""
        self._behind_rows -= self._behind.pop(id(entry), 0)
        try:
            entry.failed(error)
        except Exception:
            logger.exception("an entry could not be told its outcome", request_id=entry.request_id)
