"""Pieces: consecutive rows of an input, small enough for one worker to hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobs.errors import FileTooLarge

MOST_BYTES = 64 * 1024 * 1024
"""What an uploaded file may have. Whoever takes the upload counts while it arrives."""
MOST_ROWS = 1_000_000
MOST_CELL = 131_072
"""Bytes a cell may have: what Python's csv module takes of characters, when each byte is read as one."""
MOST_ROW = 1024 * 1024
"""Bytes a row may have."""
BLOCK = 1024 * 1024
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive rows of an input.

    `first_row` counts from 1. `data` is what `rows` and `cells` of the same format take; it has no header.
    """

    first_row: int
    rows: int
    data: bytes


class Cutter:
    """Makes pieces of texts whose rows' ends are known."""

    def __init__(self, *, most_rows: int, most_bytes: int) -> None:
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._parts: list[bytes] = []
        self._rows = 0
        self._bytes = 0
        self._given = 0

    @property
    def rows(self) -> int:
        """How many rows came so far."""
        return self._given + self._rows

    def add(self, block: bytes, ends: Sequence[int]) -> Iterator[Piece]:
        """Take whole rows, and give the pieces that they fill. A row larger than a piece is a piece of its own.

        Args:
            ends: where in the block each row ends; each begins where the one before it ended.

        Raises:
            FileTooLarge: more rows came than a file may have.
        """
        if self.rows + len(ends) > MOST_ROWS:
            raise FileTooLarge(MOST_ROWS, "rows")
        begin = start = 0
        for end in ends:
            if self._rows and (self._rows == self._most_rows or self._bytes + (end - begin) > self._most_bytes):
                self._parts.append(block[begin:start])
                yield self._piece()
                begin = start
            self._rows += 1
            start = end
        self._parts.append(block[begin:start])
        self._bytes += start - begin

    def end(self) -> Iterator[Piece]:
        """Give what is left."""
        if self._rows:
            yield self._piece()

    def _piece(self) -> Piece:
        piece = Piece(self._given + 1, self._rows, b"".join(self._parts))
        self._given += self._rows
        self._parts, self._rows, self._bytes = [], 0, 0
        return piece
