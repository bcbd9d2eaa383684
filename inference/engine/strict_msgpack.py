"""A slow MessagePack decoder that names exactly what is wrong, as `strict_json` does for JSON.

It accepts what JSON could say, and bytes, which the signature then refuses by name: no extension types (timestamps are
one), no keys but texts, none of them twice, nothing behind the message, bounded depth, bounded number of keys. NaN and
infinity come through; the signature refuses them by name too.
"""

import struct
from collections.abc import Callable
from typing import Any

from inference.engine.errors import InvalidInput, Problem
from inference.engine.strict_json import MAX_DEPTH, MAX_KEYS

_VALUE, _TEXT, _BYTES, _LIST, _MAP = range(5)
_NIL, _FALSE, _TRUE, _FLOAT32, _FLOAT64 = 0xC0, 0xC2, 0xC3, 0xCA, 0xCB
_CONSTANTS: dict[int, bool | None] = {_NIL: None, _FALSE: False, _TRUE: True}
_NUMBERS: dict[int, struct.Struct] = {
    code: struct.Struct(">" + form)
    for code, form in zip([_FLOAT32, _FLOAT64, *range(0xCC, 0xD4)], "fdBHIQbhiq", strict=True)
}
_SIZED: dict[int, tuple[int, int]] = {
    0xC4: (_BYTES, 1),
    0xC5: (_BYTES, 2),
    0xC6: (_BYTES, 4),
    0xD9: (_TEXT, 1),
    0xDA: (_TEXT, 2),
    0xDB: (_TEXT, 4),
    0xDC: (_LIST, 2),
    0xDD: (_LIST, 4),
    0xDE: (_MAP, 2),
    0xDF: (_MAP, 4),
}
"""What the first byte announces, and how many bytes its size takes (MessagePack specification, formats)."""


def decode(raw: bytes, *, max_depth: int = MAX_DEPTH, max_keys: int = MAX_KEYS) -> object:
    """Decode one MessagePack message into plain Python values.

    Args:
        raw: the message.
        max_depth: how many arrays and maps may stand inside each other.
        max_keys: how many keys all maps together may have.

    Raises:
        InvalidInput: with the code `malformed_msgpack`, `duplicate_key`, `too_deep` or `too_many_fields`.
    """
    reader = _Reader(raw)
    try:
        value = _Builder(reader, max_depth, max_keys).value(1)
    except InvalidInput:
        # What does not even end well is malformed, whatever else it is.
        _check_end(raw)
        raise
    if reader.position != len(raw):
        _check_end(raw)
    return value


def _check_end(raw: bytes) -> None:
    """Refuse what is not one whole message, without building it.

    Raises:
        InvalidInput: with `malformed_msgpack`.
    """
    reader = _Reader(raw)
    reader.skip()
    if reader.position != len(raw):
        raise _malformed(f"{len(raw) - reader.position} bytes stand behind it")


class _Reader:
    """Reads heads of values, one after another."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.position = 0

    def head(self) -> tuple[int, Any]:
        """The kind of the next value, and either the value or its size: bytes, items, or pairs."""
        position = self.position
        if position == len(self._raw):
            raise self._short()
        byte = self._raw[position]
        self.position = position + 1
        if byte <= 0x7F:
            return _VALUE, byte
        if byte <= 0x8F:
            return _MAP, byte & 0x0F
        if byte <= 0x9F:
            return _LIST, byte & 0x0F
        if byte <= 0xBF:
            return _TEXT, byte & 0x1F
        if byte >= 0xE0:
            return _VALUE, byte - 0x100
        if byte in _CONSTANTS:
            return _VALUE, _CONSTANTS[byte]
        if number := _NUMBERS.get(byte):
            return _VALUE, number.unpack(self.take(number.size))[0]
        if byte not in _SIZED:
            what = "the byte 0xc1 means nothing" if byte == 0xC1 else "extension types, timestamps too, are not served"
            raise _malformed(f"at byte {self.position - 1}, {what}")
        kind, width = _SIZED[byte]
        return kind, int.from_bytes(self.take(width))

    def take(self, size: int) -> bytes:
        """The next bytes."""
        taken = self._raw[self.position : self.position + size]
        if len(taken) < size:
            raise self._short()
        self.position += size
        return taken

    def _short(self) -> InvalidInput:
        return _malformed(f"it ends at byte {len(self._raw)}, before its last value does")

    def skip(self) -> None:
        """Walk over one value, however deep, without building anything."""
        pending = 1
        while pending:
            kind, found = self.head()
            pending -= 1
            if kind in (_TEXT, _BYTES):
                self.take(found)
            elif kind in (_LIST, _MAP):
                pending += found if kind == _LIST else 2 * found
                # Each value takes a byte at least: a size that lies is found out before it costs anything.
                if pending > len(self._raw) - self.position:
                    raise self._short()


class _Builder:
    """Builds plain values, within limits."""

    def __init__(self, reader: _Reader, max_depth: int, max_keys: int) -> None:
        self._reader = reader
        self._max_depth = max_depth
        self._max_keys = max_keys
        self._keys = 0

    def value(self, depth: int) -> object:
        kind, found = self._reader.head()
        if kind == _VALUE:
            return found
        if kind == _BYTES:
            return self._reader.take(found)
        if kind == _TEXT:
            return self._text(found)
        if depth > self._max_depth:
            detail = f"Expected at most {self._max_depth} levels of arrays and maps; more came."
            raise _refused("too_deep", detail)
        build: Callable[[int, int], object] = self._list if kind == _LIST else self._map
        return build(found, depth)

    def _list(self, size: int, depth: int) -> list[object]:
        return [self.value(depth + 1) for _ in range(size)]

    def _map(self, size: int, depth: int) -> dict[str, object]:
        self._keys += size
        if self._keys > self._max_keys:
            raise _refused("too_many_fields", f"Expected at most {self._max_keys} fields; more came.")
        values: dict[str, object] = {}
        for _ in range(size):
            kind, found = self._reader.head()
            if kind != _TEXT:
                raise _malformed(f"at byte {self._reader.position}, a key is not a text")
            name = self._text(found)
            if name in values:
                raise _refused("duplicate_key", f"The key {name[:64]!r} came twice. Send each key once.")
            values[name] = self.value(depth + 1)
        return values

    def _text(self, size: int) -> str:
        raw = self._reader.take(size)
        try:
            # Halves of surrogate pairs pass, as they do in JSON's escapes: the signature refuses them by name.
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            detail = f"the text before byte {self._reader.position} is not UTF-8"
            raise _malformed(detail) from None


def _malformed(detail: str) -> InvalidInput:
    return _refused("malformed_msgpack", f"Not one MessagePack message of plain values: {detail}.")


def _refused(code: str, detail: str) -> InvalidInput:
    return InvalidInput(Problem(code, (), detail))
