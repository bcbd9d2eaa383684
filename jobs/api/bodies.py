"""JSON bodies of requests about jobs: an object with known fields, read one by one, every problem named."""

import datetime
from collections.abc import Sequence
from typing import Any

from inference.engine import strict_json
from inference.engine.errors import InvalidInput, Problem
from inference.engine.inputs import MISSING, clipped, with_kind
from inference.engine.times import moment

MOST_TEXT = 1000
Path = tuple[str | int, ...]


def fields_of(raw: bytes, *known: str, optional: bool = False) -> "Fields":
    """The fields of a body.

    Args:
        known: the names it may have.
        optional: whether no body at all is an empty one.

    Raises:
        InvalidInput: it is no JSON object, or has another field.
    """
    return Fields(strict_json.decode(raw) if raw or not optional else {}, known)


class Fields:
    """What an object says, field by field. Reading one that is missing gives None, unless it must be there.

    Raises:
        InvalidInput: it is no object, or has a field of another name.
    """

    def __init__(self, said: object, known: Sequence[str], path: Path = ()) -> None:
        if not isinstance(said, dict):
            raise InvalidInput(Problem("not_an_object", path, f"Expected an object; got {clipped(said)}."))
        self._said: dict[str, Any] = said
        self._path = path
        expected = ", ".join(f"`{name}`" for name in known) or "none"
        unknown = [
            Problem("unknown_field", (*path, name), f"`{clipped(name)}` is not a field here. Expected {expected}.")
            for name in said
            if name not in known
        ]
        if unknown:
            raise InvalidInput(*unknown)

    def __contains__(self, name: str) -> bool:
        return name in self._said

    def text(self, name: str, *, required: bool = False, longest: int = MOST_TEXT) -> str | None:
        """A text of 1 to `longest` characters that Postgres can store.

        Raises:
            InvalidInput: it is none, or is missing.
        """
        value = self._value(name, "a text", required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._refused("wrong_type", name, f"a text; got {clipped(value)}")
        if not value.strip():
            raise self._refused("wrong_type", name, "a text; got an empty one")
        if len(value) > longest:
            raise self._refused("string_too_long", name, f"at most {longest} characters; got {len(value)}")
        if "\x00" in value or any("\ud800" <= one <= "\udfff" for one in value):
            raise self._refused("invalid_character", name, "a text without NUL and halves of surrogate pairs")
        return value

    def whole(self, name: str, *, low: int, high: int, required: bool = False) -> int | None:
        """A whole number.

        Raises:
            InvalidInput: it is none, outside of its range, or missing.
        """
        value = self._value(name, "a whole number", required=required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._refused("wrong_type", name, f"a whole number; got {with_kind(value)}")
        if not low <= value <= high:
            raise self._refused("out_of_range", name, f"{low} to {high}; got {clipped(value)}")
        return value

    def truth(self, name: str) -> bool | None:
        """True or false.

        Raises:
            InvalidInput: it is neither.
        """
        value = self._value(name, "true or false", required=False)
        if value is None or isinstance(value, bool):
            return value
        raise self._refused("wrong_type", name, f"true or false; got {clipped(value)}")

    def moment(self, name: str, *, required: bool = False) -> datetime.datetime | None:
        """A time, in UTC.

        Raises:
            InvalidInput: it is none, or is missing.
        """
        value = self._value(name, "a time", required=required)
        return None if value is None else moment(value, (*self._path, name))

    def inner(self, name: str, *known: str, required: bool = False) -> "Fields | None":
        """An object within the object.

        Raises:
            InvalidInput: it is none, is missing, or has a field of another name.
        """
        value = self._value(name, "an object", required=required)
        return None if value is None else Fields(value, known, (*self._path, name))

    def _value(self, name: str, what: str, *, required: bool) -> Any:
        value = self._said.get(name, MISSING)
        if value is MISSING or value is None:
            if required:
                raise self._refused("wrong_type", name, f"{what}; got nothing")
            return None
        return value

    def _refused(self, code: str, name: str, expected: str) -> InvalidInput:
        return InvalidInput(Problem(code, (*self._path, name), f"`{name}` expects {expected}."))
