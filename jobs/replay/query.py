"""Stored predictions as the input of a batch job: which ones, and how they are frozen into a file.

A job that asks what a version would have said is repeatable only if its rows stand still. So they are read once, in
the order of their ids, into an object of their own; what arrives later is no part of the job.
"""

import datetime
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from inference import ids
from inference.engine.eager import eager
from inference.engine.signature import Output, Signature
from inference.models import Device, Endpoint, Version
from inference.selectors import version_get
from jobs.errors import NoRows

MOST_ROWS = 1_000_000
FACTS = ("id", "version", "error", "device", "time")
"""What a frozen row holds beside the inputs, besides what was answered: the prediction's id, the tag of the version
that answered, the error if it was one, the device's name or null, and the time of the prediction."""

_BLOCK = 2000
_NO_DEVICE = 0
"""A key that no device has. Nobody learns which names there are: an unknown device sent nothing, as many others did."""
_NOTHING = (
    "No stored prediction of this endpoint is of these times, and of this device and this version where they are named."
    " Look at the names and the times, and ask again."
)
_TIMEOUT = "SET LOCAL statement_timeout = '10min'"
# Settled rows only: what is still being written would be there for whoever asks again, and not for this job.
_MATCHING = """
  FROM inference_prediction
 WHERE endpoint_id = %(endpoint)s AND id >= %(since)s AND id < %(until)s
   AND txid < pg_snapshot_xmin(pg_current_snapshot())
   AND (%(version)s::bigint IS NULL OR version_id = %(version)s::bigint)
   AND (%(device)s::bigint IS NULL OR device_id = %(device)s::bigint)
"""
_FIRST_OF_LATEST = f"SELECT id {_MATCHING} ORDER BY id DESC OFFSET %(limit)s - 1 LIMIT 1"
_ROWS = f"""
SELECT id, version_id, device_id, features::text, output::text, error {_MATCHING} ORDER BY id LIMIT %(limit)s
"""


@eager
class Selection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which stored predictions of an endpoint.

    Attributes:
        since: from then on, aware.
        until: before then, aware.
        version: only what the version of this tag answered.
        device: only what the device of this name sent; nothing, if there is none of that name.
        limit: the latest so many, 1 to 1,000,000.
    """

    since: datetime.datetime
    until: datetime.datetime
    version: str | None = None
    device: str | None = None
    limit: int = MOST_ROWS

    def to_dict(self) -> dict[str, Any]:
        """The JSON-able form that a job keeps."""
        said: dict[str, Any] = msgspec.to_builtins(self)
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Selection":
        """Read the form `to_dict` writes."""
        return msgspec.convert(said, cls)


_Row = tuple[UUID, int, int | None, str, str | None, str | None]
"""A stored prediction as it is read: id, version, device, features, output, error."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What became of a selection: how many rows, and the size and sha256 (hex) of their text."""

    rows: int
    bytes: int
    sha256: str


def answer_columns(output: Output) -> tuple[str, ...]:
    """The columns that hold an answer: `label` and `score_<label>` each, or `value`, or `score` and `label`."""
    if output.kind == "regression":
        return ("value",)
    if output.kind == "anomaly":
        return ("score", "label")
    return ("label", *(f"score_{label}" for label in output.labels))


def answer_cells(output: Output, answer: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """An answer's values for `answer_columns`; null where it has none."""
    said = answer or {}
    if output.kind == "classification":
        scores = said.get("scores") or {}
        return (said.get("label"), *(scores.get(label) for label in output.labels))
    return tuple(said.get(name) for name in answer_columns(output))


def carried(signature: Signature) -> tuple[str, ...]:
    """The names of a frozen row's columns that are no inputs: `FACTS`, then `answer_columns`.

    They are called `then_…`, with underscores before that where an input has one of the names.
    """
    names = (*FACTS, *answer_columns(signature.output))
    prefix = "then_"
    while any(prefix + name in signature.names for name in names):
        prefix = f"_{prefix}"
    return tuple(prefix + name for name in names)


def freeze(
    *,
    endpoint: Endpoint,
    selection: Selection,
    signature: Signature,
    into: IO[bytes],
    check: Callable[[], None] = lambda: None,
) -> Frozen:
    """Write the selected predictions as NDJSON, an object a line, by rising id.

    A line has those of the signature's inputs that the answering version had too, by name, then what `carried` names:
    flat, so that every format of results holds what was answered then beside what is answered now.

    Args:
        signature: of the version that is to answer them now.
        check: called now and then; what it raises ends the writing.

    Raises:
        NoRows: nothing is selected.
    """
    digest = hashlib.sha256()
    count = size = 0
    lines = _Lines(signature)
    with transaction.atomic():
        for rows in _blocks(endpoint, selection):
            check()
            data = lines.of(rows)
            digest.update(data)
            into.write(data)
            count += len(rows)
            size += len(data)
    if not count:
        raise NoRows(_NOTHING)
    into.flush()
    return Frozen(rows=count, bytes=size, sha256=digest.hexdigest())


def _blocks(endpoint: Endpoint, selection: Selection) -> Iterator[list[_Row]]:
    """The rows, some thousands at a time, through a cursor on the server."""
    device = None
    if selection.device is not None:
        device = Device.objects.filter(name=selection.device).values_list("pk", flat=True).first() or _NO_DEVICE
    asked = {
        "endpoint": endpoint.pk,
        "since": ids.floor(selection.since),
        "until": ids.floor(selection.until),
        "limit": selection.limit,
        "version": selection.version and version_get(endpoint=endpoint, tag=selection.version).pk,
        "device": device,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TIMEOUT)
        cursor.execute(_FIRST_OF_LATEST, asked)
        if first := cursor.fetchone():
            asked["since"] = first[0]
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ROWS, asked)
        while rows := cursor.fetchmany(_BLOCK):
            yield rows


class _Lines:
    """Writes stored rows as lines. Versions and devices are looked up once each."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = frozenset(signature.names)
        self._output = signature.output
        self._carried = carried(signature)
        self._versions: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._devices: dict[int, str] = {}

    def of(self, rows: Sequence[_Row]) -> bytes:
        """The text of some rows."""
        self._look_up(rows)
        return b"".join(map(self._line, rows))

    def _line(self, row: _Row) -> bytes:
        id, version, device, features, output, error = row
        tag, names = self._versions[version]
        values = zip(names, msgspec.json.decode(features), strict=True)
        said = {name: value for name, value in values if name in self._inputs}
        sender = None if device is None else self._devices.get(device)
        facts = (str(id), tag, error, sender, ids.time_of(id).isoformat(timespec="milliseconds"))
        answer = answer_cells(self._output, None if output is None else msgspec.json.decode(output))
        return msgspec.json.encode(said | dict(zip(self._carried, facts + answer, strict=True))) + b"\n"

    def _look_up(self, rows: Sequence[_Row]) -> None:
        versions = {row[1] for row in rows} - self._versions.keys()
        for version in Version.objects.filter(pk__in=versions) if versions else ():
            names = tuple(one["name"] for one in version.manifest["signature"]["inputs"])
            self._versions[version.pk] = (version.tag, names)
        devices = {row[2] for row in rows if row[2] is not None} - self._devices.keys()
        self._devices.update(Device.objects.filter(pk__in=devices).values_list("pk", "name") if devices else ())
