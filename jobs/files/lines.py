"""Texts read a block at a time, cut where rows end."""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from jobs.errors import BadFile
from jobs.files.pieces import BLOCK, MOST_ROW

_MARK = b"\xef\xbb\xbf"
_OTHERS = {
    b"PK\x03\x04": "a ZIP or Excel file: save it as CSV",
    b"\x1f\x8b": "compressed: send it unpacked",
    b"PAR1": "a Parquet file: send it as `parquet`",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}
"""How files begin that are often sent for texts."""


class Block(NamedTuple):
    """Whole rows, and where in `data` each of them ends."""

    data: bytes
    ends: Sequence[int]


Cut = Callable[[bytes, bool, int], tuple[list[int], int]]
"""Where rows end in some bytes, and up to where they are done with. It is told whether nothing follows, and the number
of their first line."""


def blocks(source: BinaryIO, cut: Cut) -> Iterator[Block]:
    """The rows of a text, read once. A byte order mark at its start is dropped.

    Raises:
        BadFile: it is no text, or a row has more than 1 MiB; with the line.
    """
    line, rest, begun = 1, b"", False
    while True:
        came = source.read(BLOCK)
        data = rest + came
        if not begun:
            data, begun = _begun(data), True
        if b"\x00" in came:
            at = line + data.count(b"\n", 0, data.index(b"\x00"))
            raise BadFile("A NUL byte: this is no text, or not in UTF-8.", line=at)
        ends, done = cut(data, not came, line)
        yield Block(data[:done], ends)
        line += data.count(b"\n", 0, done)
        rest = data[done:]
        if not came:
            return
        if len(rest) > MOST_ROW:
            raise BadFile(f"A row has more than {MOST_ROW:,} bytes, or a quote is never closed.", line=line)


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are text."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _begun(data: bytes) -> bytes:
    for start, advice in _OTHERS.items():
        if data.startswith(start):
            raise BadFile(f"The file is {advice}.", line=1)
    return data.removeprefix(_MARK)
