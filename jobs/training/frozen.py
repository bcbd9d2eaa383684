"""A run's data as it was when it was selected: one file that training and judging read, today and when repeated.

NDJSON, gzipped. The first line tells what the rows are; each other line is one row, `[origin, [values…], target]`:
first the base data in its file's order, then the feedback in the order of the predictions it is about. The same data
gives the same bytes. Knows no Django.
"""

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from inference.engine.eager import eager
from inference.engine.signature import Row, Signature
from jobs.errors import DataInvalid
from jobs.training import datasets
from jobs.training.datasets import Dataset, Source, Split, share

BASE, FEEDBACK = "b", "f"
_FORMAT = 1
_encode = msgspec.json.Encoder().encode


@eager
class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the first line.

    Attributes:
        signature_digest: of the inputs and outputs that the rows fit.
        source: the endpoint's `[data]` table, which says how rows are held out.
        files: sha256 of the base data's files, by path.
        code: sha256 of the code that prepared it, by path.
    """

    signature_digest: str
    source: Source
    files: dict[str, str]
    code: dict[str, str]
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class Line:
    """One row: where it comes from, its values, and the truth about it (None where the base data has none)."""

    origin: str
    row: Row
    target: str | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A file that was read: rows of the base data come first, `base` of them."""

    head: Head
    digest: str
    dataset: Dataset
    base: int

    @property
    def feedback(self) -> int:
        """How many rows come from feedback."""
        return len(self.dataset.rows) - self.base


def write(path: Path, head: Head, lines: Iterable[Line]) -> tuple[str, int]:
    """Write a file and say the sha256 of its text and how many rows it has."""
    digest, count = hashlib.sha256(), 0
    # No name and no time, so that equal data is an equal file.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        first = _encode(head) + b"\n"
        digest.update(first)
        file.write(first)
        for line in lines:
            text = _encode((line.origin, line.row, line.target)) + b"\n"
            digest.update(text)
            file.write(text)
            count += 1
    return digest.hexdigest(), count


def read(path: Path, signature: Signature, *, digest: str | None = None) -> Frozen:
    """Read a file whole.

    Args:
        digest: the sha256 that its text must have, where it is known.

    Raises:
        DataInvalid: it is another file, can't be read, or does not fit the signature.
    """
    rows: list[Row] = []
    targets: list[Any] = []
    base, found = 0, hashlib.sha256()
    try:
        with gzip.open(path, "rb") as file:
            first = file.readline()
            found.update(first)
            head = msgspec.json.decode(first, type=Head)
            for text in file:
                found.update(text)
                origin, row, target = msgspec.json.decode(text)
                rows.append(tuple(row))
                targets.append(target)
                base += origin == BASE
    except (OSError, EOFError, ValueError) as error:
        raise DataInvalid(path.name, f"the frozen data can't be read: {error}.") from error
    if digest is not None and found.hexdigest() != digest:
        raise DataInvalid(path.name, f"the frozen data is not what it was: sha256 {found.hexdigest()[:19]}….")
    if head.signature_digest != signature.digest:
        raise DataInvalid(path.name, "the frozen data has other inputs or outputs than the endpoint has now.")
    known = [] if None in targets else targets
    dataset = Dataset(rows=rows, targets=known, files=head.files, code=head.code, source=head.source)
    return Frozen(head=head, digest=found.hexdigest(), dataset=dataset, base=base)


def head(path: Path) -> Head:
    """What a file's first line tells."""
    with gzip.open(path, "rb") as file:
        return msgspec.json.decode(file.readline(), type=Head)


def lines(path: Path) -> Iterator[Line]:
    """The rows of a file one by one, without its first line."""
    with gzip.open(path, "rb") as file:
        file.readline()
        for text in file:
            origin, row, target = msgspec.json.decode(text)
            yield Line(origin, tuple(row), target)


def split(frozen: Frozen, signature: Signature, *, seed: int, place: str) -> Split:
    """Choose the rows to hold out, so that the choice is the same for every version judged on this data.

    The base data is split as `train` does it. Of the feedback, where the base data is split by time the latest
    predictions are held out, else those whose values hash low: equal readings lie on one side, and a row that is held
    out once stays held out, whatever comes later.

    Args:
        seed: of the champion's split, so that rows it was trained on are not held out.
    """
    base = Dataset(
        rows=frozen.dataset.rows[: frozen.base],
        targets=frozen.dataset.targets[: frozen.base],
        files={},
        code={},
        source=frozen.head.source,
    )
    chosen = datasets.split(base, signature, seed=seed, place=place)
    told = range(frozen.base, len(frozen.dataset.rows))
    if frozen.head.source.split == "time":
        kept = len(told) - round(len(told) * frozen.head.source.hold_out)
        held = set(told[kept:])
    else:
        held = {at for at in told if share(frozen.dataset.rows[at]) < frozen.head.source.hold_out}
    return Split(
        [*chosen.train, *(at for at in told if at not in held)],
        [*chosen.held_out, *(at for at in told if at in held)],
    )
