"""What a client sends in a MessagePack session: binary frames to the same typed messages as in JSON. No I/O.

A map's size stands in front of it, so a key that came twice shows by counting: all keys must be known, and as many
must be there as the map says.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from inference.engine import strict_msgpack
from inference.engine.errors import InvalidInput
from inference.engine.instances import Instance
from inference.engine.signature import Signature
from streaming.messages import MAX_ITEMS, UNSET, Message, MessageReader, Readings, Refused, refusal

_READINGS = b"\x82\xa4type\xa8readings"
"""How most clients begin a frame of readings: a map of two, `type` first. Others are read the slow way."""


class PackedDecoder(MessageReader):
    """Decodes the binary frames of a MessagePack session."""

    def __init__(self, signature: Signature, clock: Callable[[], float] = time.time) -> None:
        super().__init__(signature, clock)
        raw = msgspec.Raw
        fields = [*self._fields(raw), ("type", Literal["reading"] | msgspec.UnsetType, UNSET)]
        reading = msgspec.defstruct("Reading", fields, forbid_unknown_fields=True, gc=False)
        item = msgspec.defstruct("Item", self._fields(raw), forbid_unknown_fields=True, gc=False)
        many = Annotated[list[raw], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]  # type: ignore[valid-type]
        readings = msgspec.defstruct(
            "ReadingsFrame", [("type", Literal["readings"]), ("items", many)], forbid_unknown_fields=True
        )
        self._features: Callable[[Any], Any] = msgspec.msgpack.Decoder(signature.features_type).decode
        self._reading: Callable[[bytes], Any] = msgspec.msgpack.Decoder(reading).decode
        self._item_of: Callable[[Any], Any] = msgspec.msgpack.Decoder(item).decode
        self._readings: Callable[[bytes], Any] = msgspec.msgpack.Decoder(readings).decode

    def decode(self, frame: bytes) -> Message:
        """The message in one binary frame. Never raises: what can't be served comes back as `Refused`."""
        try:
            if frame.startswith(_READINGS):
                items = self._readings(frame).items
                return Readings([self._checked(self._item_of(one), memoryview(one), 0) for one in items])
            message = self._reading(frame)
            return self._checked(message, frame, message.type is not UNSET)
        except (msgspec.DecodeError, InvalidInput, RecursionError, ValueError):
            # The slow way finds the name of what is wrong; ValueError covers texts that are not Unicode.
            return self._explain(frame)

    def _checked(self, item: Any, raw: bytes | memoryview, keys: int) -> Instance:
        """The instance of a decoded reading.

        Args:
            item: what was decoded, its features still packed.
            raw: what it was decoded from.
            keys: how many keys it has that are not an item's.

        Raises:
            InvalidInput, msgspec.DecodeError, ValueError: it has to be explained.
        """
        keys += 1
        if not item.seq is item.id is item.ts is item.subject:
            keys += sum([one is not UNSET for one in (item.seq, item.id, item.ts, item.subject)])
            if any(one is not UNSET and "\x00" in one for one in (item.id, item.subject)):
                raise ValueError("a text holds NUL")
        if _pairs(raw) != keys:
            raise ValueError("a key came twice")
        features = self._features(item.features)
        if type(features) is not tuple and _pairs(memoryview(item.features)) != len(self.signature.inputs):
            raise ValueError("a feature came twice")
        return self._instance(item, features)

    def _explain(self, frame: bytes) -> Message:
        if not frame:
            return Refused("empty_frame", "Expected a MessagePack map; the frame was empty.")
        try:
            return self._message(strict_msgpack.decode(frame))
        except InvalidInput as error:
            return refusal(error)


def _pairs(raw: bytes | memoryview) -> int:
    """How many pairs the map that `raw` begins with says it has."""
    first = raw[0]
    return first & 0x0F if first <= 0x8F else int.from_bytes(raw[1 : 3 if first == 0xDE else 5])
