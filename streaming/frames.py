"""What a client sends in the stream protocol, version 1, in JSON: text to typed messages. No I/O.

A frame that is well formed is decoded by msgspec into the types its signature compiles to. Whatever msgspec refuses is
read again by the strict decoder, which finds the exact code and field. Both ways give the same message.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from inference.engine import strict_json
from inference.engine.errors import InvalidInput
from inference.engine.signature import Signature
from streaming.messages import MAX_ITEMS, UNSET, Message, MessageReader, Readings, Refused, refusal


class Decoder(MessageReader):
    """Decodes the text frames of a JSON session."""

    def __init__(self, signature: Signature, clock: Callable[[], float] = time.time) -> None:
        super().__init__(signature, clock)
        fields = self._fields(signature.features_type)
        item = msgspec.defstruct("Item", fields, forbid_unknown_fields=True, gc=False)
        reading = msgspec.defstruct(
            "Reading",
            [*fields, ("type", Literal["reading"] | msgspec.UnsetType, UNSET)],
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
            if text.count(":") == self._colons(message) + (message.type is not UNSET):
                return self._instance(message, message.features)
        except (msgspec.DecodeError, InvalidInput, RecursionError, ValueError):
            # The slow path finds the name of what is wrong; ValueError covers text that is not Unicode.
            pass
        return self._explain(text)

    # ---- Fast accept ------------------------------------------------------------------------------------------------

    def _fast_readings(self, text: str) -> Message:
        items = self._readings.decode(text).items
        if text.count(":") != 2 + sum(map(self._colons, items)):
            return self._explain(text)
        return Readings([self._instance(item, item.features) for item in items])

    def _colons(self, item: Any) -> int:
        """How many colons the item's text has if no key came twice."""
        colons = 1 + self.signature.colons(item.features)
        if item.seq is item.id is item.ts is item.subject:
            # Nothing but UNSET is all four at once.
            return colons
        for value in (item.seq, item.id, item.ts, item.subject):
            if value is not UNSET:
                colons += 1 + (value.count(":") if isinstance(value, str) else 0)
        return colons

    # ---- Slow explain -----------------------------------------------------------------------------------------------

    def _explain(self, text: str) -> Message:
        if not text:
            return Refused("empty_frame", "Expected a JSON object; the frame was empty.")
        try:
            return self._message(strict_json.decode(text))
        except InvalidInput as error:
            return refusal(error)
