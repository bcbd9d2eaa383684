"""What a client says in the stream protocol, version 1: typed messages, and how plain values become them. No I/O.

What is here is the same for every codec, so the same values are served alike and refused by the same names.
"""

import datetime
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from inference.engine.errors import ForetellError, InvalidInput, Problem
from inference.engine.inputs import clipped, with_kind
from inference.engine.instances import Instance
from inference.engine.signature import Row, Signature
from inference.engine.times import moment
from inference.truth import FIELDS, Truth, truth_read

MAX_ITEMS = 256
MAX_TEXT = 64
"""Characters of a reading's `id` and `subject`."""
MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON implementation keeps exact (RFC 8259, section 6)."""
AHEAD_S = 24 * 3600
BEHIND_S = 366 * 24 * 3600
"""A device's time further from ours than this is stored, and marked `clock_suspect`."""
FAULTS = frozenset(
    (
        "malformed_json",
        "malformed_msgpack",
        "empty_frame",
        "not_an_object",
        "unknown_type",
        "bad_seq",
        "too_deep",
        "too_many_fields",
    )
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


Message = Instance | Readings | Truth | Ping | Refused

UNSET = msgspec.UNSET
_Seq = Annotated[int, msgspec.Meta(ge=1, le=MAX_SEQ)]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class MessageReader:
    """What the decoders of all codecs share: they read frames for an endpoint with one signature.

    Fast accept, slow explain: what msgspec takes in becomes a reading by `_instance`; whatever it refuses is read again
    as plain values, and `_message` finds the exact code and field of what is wrong. Both give the same message.
    """

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

    # ---- Fast accept ------------------------------------------------------------------------------------------------

    @staticmethod
    def _fields(features: Any) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
        """The fields of a reading, for `msgspec.defstruct`.

        Args:
            features: the type of `features`.
        """
        return [
            ("features", features),
            ("seq", _Seq | msgspec.UnsetType, UNSET),
            ("id", _Text | msgspec.UnsetType, UNSET),
            ("ts", float | str | msgspec.UnsetType, UNSET),
            ("subject", _Text | msgspec.UnsetType, UNSET),
        ]

    def _instance(self, item: Any, features: Any) -> Instance:
        """The instance of a decoded reading, its features decoded by `signature.features_type`.

        Raises:
            InvalidInput: its time is none, or a text can't be stored.
        """
        row = self._row(features)
        if item.seq is item.id is item.ts is item.subject and not self._lenient:
            return Instance(row)
        device_time, warnings = (None, ()) if item.ts is UNSET else self._device_time(item.ts)
        return Instance(
            row,
            None if item.id is UNSET else item.id,
            None if item.subject is UNSET else item.subject,
            device_time,
            None if item.seq is UNSET else item.seq,
            (*warnings, *self.signature.warnings(row)),
        )

    # ---- Slow explain -----------------------------------------------------------------------------------------------

    def _message(self, value: object) -> Message:
        """The message of plain values. Never raises."""
        if not isinstance(value, dict):
            return Refused("not_an_object", f"Expected an object; got {clipped(value)}.")
        kind = value.get("type", "reading")
        if kind == "reading":
            return self._item({name: one for name, one in value.items() if name != "type"})
        if kind == "readings":
            return self._items(value)
        if kind == "ping":
            n = value.get("n")
            if n is None or (isinstance(n, int) and not isinstance(n, bool) and abs(n) <= MAX_SEQ):
                return Ping(n)
            return Refused("wrong_type", f"`n` expects an integer; got {with_kind(n)}.", "n")
        if kind == "feedback":
            return _feedback(value)
        expected = "Expected type reading, readings, feedback or ping"
        return Refused("unknown_type", f"{expected}; got {clipped(kind)}.", "type")

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
            return refusal(InvalidInput(*problems), seq)
        return Instance(
            row, value.get("id"), value.get("subject"), device_time, seq, (*warnings, *self.signature.warnings(row))
        )

    def _device_time(self, ts: object) -> tuple[datetime.datetime, tuple[str, ...]]:
        """A device's time in UTC, and a warning if its clock is suspect.

        Raises:
            InvalidInput: it is no time.
        """
        at = moment(ts, ("ts",))
        ahead_s = at.timestamp() - self._clock()
        return at, () if -BEHIND_S <= ahead_s <= AHEAD_S else ("clock_suspect",)


def _feedback(value: dict[str, Any]) -> Truth | Refused:
    for name in value:
        if name != "type" and name not in FIELDS:
            return Refused("unknown_field", f"`feedback` has no field {clipped(name)!r}.", clipped(name))
    try:
        return truth_read(value)
    except ForetellError as error:
        return refusal(error)


def _field_problems(value: dict[str, Any]) -> Iterable[Problem]:
    """What is wrong with the fields of a reading beside its features and its time."""
    for name in value:
        if name not in ("features", "seq", "id", "ts", "subject"):
            yield Problem("unknown_field", (name,), f"A reading has no field {clipped(name)!r}.")
    if "seq" in value:
        seq = value["seq"]
        if isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq <= MAX_SEQ:
            yield Problem("bad_seq", ("seq",), f"`seq` expects an integer from 1 to 2^53-1; got {with_kind(seq)}.")
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


def refusal(error: ForetellError, seq: int | None = None) -> Refused:
    """An error as what its frame says."""
    return Refused(
        error.code,
        str(error),
        error.problems[0].field if isinstance(error, InvalidInput) else None,
        seq,
        error.retryable,
        getattr(error, "retry_after_ms", None),
    )
