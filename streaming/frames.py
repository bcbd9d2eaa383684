"""What a client sends in the stream protocol, version 1, in JSON: text to typed messages. No I/O.

A frame that is well formed is decoded by msgspec into the types its signature compiles to. Whatever msgspec refuses is
read again by the strict decoder, which finds the exact code and field. Both ways give the same message.
"""

import datetime
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from inference.engine import strict_json
from inference.engine.errors import InvalidInput, Problem
from inference.engine.inputs import clipped
from inference.engine.instances import Instance
from inference.engine.signature import Row, Signature

MAX_ITEMS = 256
MAX_TEXT = 64
"""Characters of a reading's `id` and `subject`."""
MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON implementation keeps exact (RFC 8259, section 6)."""
AHEAD_S = 24 * 3600
BEHIND_S = 366 * 24 * 3600
"""A device's time further from ours than this is stored, and marked `clock_suspect`."""
FAULTS = frozenset(
    ("malformed_json", "empty_frame", "not_an_object", "unknown_type", "bad_seq", "too_deep", "too_many_fields")
)
"""Codes that mean a broken client, not a broken sensor: too many of them close the socket."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message, or an item of one, that can't be served: what its `error` frame says."""

    code: str
    detail: str
    field: str | None = None
    seq: int | None = None
    retryable: bool = False
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """Several readings in one frame; a refused one stands in its place."""

    items: Sequence[Instance | Refused]


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `pong` with the same `n`."""

    n: int | None


Message = Instance | Readings | Ping | Refused

_Seq = Annotated[int, msgspec.Meta(ge=1, le=MAX_SEQ)]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
_UNSET = msgspec.UNSET


class Decoder:
    """Decodes the frames a client sends to an endpoint with one signature."""

    def __init__(self, signature: Signature, clock: Callable[[], float] = time.time) -> None:
        """Compile the message types.

        Args:
            signature: what `features` must be.
            clock: Unix seconds, to tell a device's clock that is far off.
        """
        self.signature = signature
        self._clock = clock
        self._row = signature.decoded_row
        self._lenient = any(one.out_of_range == "warn" for one in signature.inputs)
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
            ("features", signature.features_type),
            ("seq", _Seq | msgspec.UnsetType, _UNSET),
            ("id", _Text | msgspec.UnsetType, _UNSET),
            ("ts", float | str | msgspec.UnsetType, _UNSET),
            ("subject", _Text | msgspec.UnsetType, _UNSET),
        ]
        item = msgspec.defstruct("Item", fields, forbid_unknown_fields=True, gc=False)
        reading = msgspec.defstruct(
            "Reading",
            [*fields, ("type", Literal["reading"] | msgspec.UnsetType, _UNSET)],
            forbid_unknown_fields=True,
            gc=False,
        )
        readings = msgspec.defstruct(
            "ReadingsFrame",
            [
                ("type", Literal["readings"]),
                ("items", Annotated[list[item], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]),  # type: ignore[valid-type]
            ],
            forbid_unknown_fields=True,
        )
        self._reading: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reading)
        self._readings: msgspec.json.Decoder[Any] = msgspec.json.Decoder(readings)

    def decode(self, text: str) -> Message:
        """The message in one text frame. Never raises: what can't be served comes back as `Refused`."""
        if "\\" in text:
            return self._explain(text)
        try:
            if text.startswith('{"type":"readings"'):
                return self._fast_readings(text)
            message = self._reading.decode(text)
            if text.count(":") == self._colons(message) + (message.type is not _UNSET):
                return self._instance(message)
        except (msgspec.DecodeError, InvalidInput, RecursionError, ValueError):
            # The slow path finds the name of what is wrong; ValueError covers text that is not Unicode.
            pass
        return self._explain(text)

    # ---- Fast accept ------------------------------------------------------------------------------------------------

    def _fast_readings(self, text: str) -> Message:
        items = self._readings.decode(text).items
        if text.count(":") != 2 + sum(map(self._colons, items)):
            return self._explain(text)
        return Readings([self._instance(item) for item in items])

    def _colons(self, item: Any) -> int:
        """How many colons the item's text has if no key came twice."""
        colons = 1 + self.signature.colons(item.features)
        if item.seq is item.id is item.ts is item.subject:
            # Nothing but UNSET is all four at once.
            return colons
        for value in (item.seq, item.id, item.ts, item.subject):
            if value is not _UNSET:
                colons += 1 + (value.count(":") if isinstance(value, str) else 0)
        return colons

    def _instance(self, item: Any) -> Instance:
        row = self._row(item.features)
        if item.seq is item.id is item.ts is item.subject and not self._lenient:
            return Instance(row)
        device_time, warnings = (None, ()) if item.ts is _UNSET else self._device_time(item.ts)
        return Instance(
            row,
            None if item.id is _UNSET else item.id,
            None if item.subject is _UNSET else item.subject,
            device_time,
            None if item.seq is _UNSET else item.seq,
            (*warnings, *self.signature.warnings(row)),
        )

    # ---- Slow explain -----------------------------------------------------------------------------------------------

    def _explain(self, text: str) -> Message:
        if not text:
            return Refused("empty_frame", "Expected a JSON object; the frame was empty.")
        try:
            return self._message(strict_json.decode(text))
        except InvalidInput as error:
            return _refused(error)

    def _message(self, value: object) -> Message:
        if not isinstance(value, dict):
            return Refused("not_an_object", f"Expected a JSON object; got {clipped(value)}.")
        kind = value.get("type", "reading")
        if kind == "reading":
            return self._item({name: one for name, one in value.items() if name != "type"})
        if kind == "readings":
            return self._items(value)
        if kind == "ping":
            n = value.get("n")
            if n is None or (isinstance(n, int) and not isinstance(n, bool) and abs(n) <= MAX_SEQ):
                return Ping(n)
            return Refused("wrong_type", f"`n` expects an integer; got {clipped(n)}.", "n")
        return Refused("unknown_type", f"Expected type reading, readings or ping; got {clipped(kind)}.", "type")

    def _items(self, value: dict[str, Any]) -> Message:
        items = value.get("items")
        if unknown := [name for name in value if name not in ("type", "items")]:
            return Refused("unknown_field", f"`readings` has no field {clipped(unknown[0])!r}.", clipped(unknown[0]))
        if not isinstance(items, list):
            return Refused("wrong_shape", "`readings` expects `items`, a list of readings.", "items")
        if not items:
            return Refused("no_rows", "`items` is empty. Send 1 to 256 readings.", "items")
        if len(items) > MAX_ITEMS:
            detail = f"Expected at most {MAX_ITEMS} items; got {len(items)}. Send them in several frames."
            return Refused("too_many_rows", detail, "items")
        return Readings([self._item(item) for item in items])

    def _item(self, value: object) -> Instance | Refused:
        if not isinstance(value, dict):
            return Refused("not_an_object", f"Expected a reading as an object; got {clipped(value)}.")
        problems = list(_field_problems(value))
        seq = None if any(problem.code == "bad_seq" for problem in problems) else value.get("seq")
        row: Row = ()
        device_time: datetime.datetime | None = None
        warnings: tuple[str, ...] = ()
        try:
            if "ts" in value:
                device_time, warnings = self._device_time(value["ts"])
            if "features" not in value:
                raise InvalidInput(Problem("missing_feature", ("features",), "`features` is required."))
            row = self.signature.row(value["features"])
        except InvalidInput as error:
            problems.extend(error.problems)
        if problems:
            return _refused(InvalidInput(*problems), seq)
        return Instance(
            row, value.get("id"), value.get("subject"), device_time, seq, (*warnings, *self.signature.warnings(row))
        )

    def _device_time(self, ts: object) -> tuple[datetime.datetime, tuple[str, ...]]:
        """A device's time in UTC, and whether its clock is suspect."""
        expected = "`ts` expects RFC 3339 with a zone, or Unix seconds"
        try:
            if isinstance(ts, str):
                at = msgspec.convert(ts, Annotated[datetime.datetime, msgspec.Meta(tz=True)]).astimezone(datetime.UTC)
            elif isinstance(ts, int | float) and not isinstance(ts, bool):
                at = datetime.datetime.fromtimestamp(ts, tz=datetime.UTC)
            else:
                raise ValueError(ts)
        except (msgspec.ValidationError, ValueError, OverflowError, OSError):
            raise InvalidInput(Problem("bad_timestamp", ("ts",), f"{expected}; got {clipped(ts)}.")) from None
        ahead_s = at.timestamp() - self._clock()
        return at, () if -BEHIND_S <= ahead_s <= AHEAD_S else ("clock_suspect",)


def _field_problems(value: dict[str, Any]) -> Iterable[Problem]:
    """What is wrong with the fields of a reading beside its features and its time."""
    for name in value:
        if name not in ("features", "seq", "id", "ts", "subject"):
            yield Problem("unknown_field", (name,), f"A reading has no field {clipped(name)!r}.")
    if "seq" in value:
        seq = value["seq"]
        if isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq <= MAX_SEQ:
            yield Problem("bad_seq", ("seq",), f"`seq` expects an integer from 1 to 2^53-1; got {clipped(seq)}.")
    for name in ("id", "subject"):
        text = value.get(name, "")
        if not isinstance(text, str):
            yield Problem("wrong_type", (name,), f"`{name}` expects a string; got {clipped(text)}.")
        elif len(text) > MAX_TEXT:
            yield Problem(
                "string_too_long", (name,), f"`{name}` expects at most {MAX_TEXT} characters; got {len(text)}."
            )
        elif "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            yield Problem("invalid_character", (name,), f"`{name}` holds a NUL or half a surrogate pair. Remove it.")


def _refused(error: InvalidInput, seq: int | None = None) -> Refused:
    return Refused(error.code, str(error), error.problems[0].field, seq)
