"""A slow JSON decoder that names exactly what is wrong. Fast decoders accept; this one explains what they refused.

It accepts JSON only: no NaN or Infinity, no duplicate keys, no byte order mark, no second document, bounded depth,
bounded number of keys, bounded length of a number. `1e999` becomes infinity, which the signature then refuses by name.
"""

import json
from typing import Any

from inference.engine.errors import InvalidInput, Problem

MAX_DEPTH = 16
MAX_KEYS = 2048
MAX_DIGITS = 400
"""Longer than any float64 written out; far below Python's own limit of 4,300, which raises an unnamed error."""


def decode(raw: bytes | str, *, max_depth: int = MAX_DEPTH, max_keys: int = MAX_KEYS) -> object:
    """Decode one JSON document into plain Python values.

    Args:
        raw: UTF-8 bytes, or text.
        max_depth: how many lists and objects may stand inside each other.
        max_keys: how many keys all objects together may have.

    Raises:
        InvalidInput: with the code `empty_body`, `invalid_encoding`, `malformed_json`, `duplicate_key`, `too_deep`,
            `too_many_fields` or `number_too_long`.
    """
    text = _text(raw)
    if not text.strip():
        raise _refused("empty_body", "Expected a JSON object; nothing came.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_KeyCounter(max_keys).pairs,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
        )
    except json.JSONDecodeError as error:
        raise _refused("malformed_json", f"Not JSON at {error.lineno}:{error.colno}: {error.msg}.") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    _check_depth(value, max_depth)
    return value


def _text(raw: bytes | str) -> str:
    if isinstance(raw, str):
        return raw
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw[:4]:
        raise _refused("invalid_encoding", "Expected UTF-8 without a byte order mark. Send the text as plain UTF-8.")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _refused("invalid_encoding", f"Expected UTF-8; byte {error.start} does not fit.") from None


class _KeyCounter:
    """Builds objects, refusing a repeated key and too many keys over the whole document."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._keys = 0

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._keys += len(pairs)
        if self._keys > self._max_keys:
            raise _refused("too_many_fields", f"Expected at most {self._max_keys} fields; more came.")
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in values if names.count(name) > 1)
            raise _refused("duplicate_key", f"The key {twice[:64]!r} came twice. Send each key once.")
        return values


def _refuse_constant(name: str) -> object:
    raise _refused("malformed_json", f"{name} is not JSON. Send a number, or null where the signature allows it.")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _refused("number_too_long", f"Expected at most {MAX_DIGITS} digits; a number has {len(digits)}.")
    return int(digits)


def _check_depth(value: object, max_depth: int) -> None:
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(max_depth):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, list | dict)
        ]
        if not level:
            return
    raise _too_deep(max_depth)


def _too_deep(max_depth: int) -> InvalidInput:
    return _refused("too_deep", f"Expected at most {max_depth} levels of lists and objects; more came.")


def _refused(code: str, detail: str) -> InvalidInput:
    return InvalidInput(Problem(code, (), detail))
