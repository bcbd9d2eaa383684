"""One typed input of a signature: what it accepts, how it decodes, and what is said of a value it refuses."""

import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from inference.engine.eager import eager
from inference.engine.errors import InvalidSignature, Problem

Value = float | int | str | None

MISSING = object()
"""Stands for a value that did not come at all."""
FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT32_EXACT_INT = 2**24
"""Every integer up to this has a float32 of its own (IEEE 754: 24 bits of significand)."""
MAX_STRING = 256
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHOWN = 40


@eager
@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One value a model asks for.

    `float` and `int` inputs are served as float32; an `int` therefore lies within ±2^24, and a wider one is `int64`.
    `out_of_range` and `unknown` say what happens to a number outside [min, max] and to a string that is none of the
    categories: refused, or passed on (with a warning for numbers).
    """

    name: str
    dtype: Literal["float", "int", "int64", "string"]
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] | None = None
    nullable: bool = False
    description: str = ""
    out_of_range: Literal["refuse", "warn"] = "refuse"
    unknown: Literal["refuse", "pass"] = "refuse"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidSignature(f"Input name {self.name!r} must be 1 to 64 of A-Z, a-z, 0-9, `_`, `.` and `-`.")
        if self.dtype not in ("float", "int", "int64", "string"):
            raise InvalidSignature(f"`{self.name}`: dtype must be float, int, int64 or string; it is {self.dtype!r}.")
        if self.out_of_range not in ("refuse", "warn") or self.unknown not in ("refuse", "pass"):
            raise InvalidSignature(f"`{self.name}`: out_of_range is refuse or warn, unknown is refuse or pass.")
        if self.dtype == "string":
            if self.min is not None or self.max is not None:
                raise InvalidSignature(f"`{self.name}`: a string has categories, not a range.")
        elif self.categories is not None:
            raise InvalidSignature(f"`{self.name}`: only a string has categories.")
        if self.categories is not None and (not self.categories or "" in self.categories):
            raise InvalidSignature(
                f"`{self.name}`: categories must be named; the empty string stands for a missing one."
            )
        if self.dtype == "int64" and self.nullable:
            raise InvalidSignature(f"`{self.name}`: an int64 can't be missing; use float, or int.")
        low, high = self.bounds
        if low > high or not -self.limit <= low <= high <= self.limit:
            raise InvalidSignature(
                f"`{self.name}`: the range [{low:g}, {high:g}] must lie within ±{self.limit:g} for dtype {self.dtype}."
            )

    @property
    def numeric(self) -> bool:
        """Whether it is served as a column of the float32 matrix."""
        return self.dtype in ("float", "int")

    @property
    def limit(self) -> float:
        """The largest magnitude its dtype can hold."""
        return {"float": FLOAT32_MAX, "int": FLOAT32_EXACT_INT, "int64": 2**63 - 1}.get(self.dtype, math.inf)

    @property
    def bounds(self) -> tuple[float, float]:
        """The declared range, or the dtype's where none is declared."""
        return (-self.limit if self.min is None else self.min, self.limit if self.max is None else self.max)

    @property
    def refused_beyond(self) -> tuple[float, float]:
        """The range outside of which a value is refused: the declared one, or under `warn` the dtype's."""
        return self.bounds if self.out_of_range == "refuse" else (-self.limit, self.limit)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form without what is left at its default."""
        said: dict[str, Any] = {"name": self.name, "dtype": self.dtype}
        for key in ("unit", "min", "max"):
            if (value := getattr(self, key)) is not None:
                said[key] = value if isinstance(value, str) else _plain(float(value))
        if self.categories is not None:
            said["categories"] = list(self.categories)
        for key, default in (
            ("nullable", False),
            ("description", ""),
            ("out_of_range", "refuse"),
            ("unknown", "refuse"),
        ):
            if (value := getattr(self, key)) != default:
                said[key] = value
        return said

    @property
    def pinned(self) -> bool:
        """Whether only its listed categories are accepted."""
        return self.categories is not None and self.unknown == "refuse"

    @property
    def value_type(self) -> Any:
        """The msgspec type that accepts well-formed values only, its range as constraints."""
        type_: Any
        low, high = self.refused_beyond
        if self.dtype == "string":
            pinned = self.pinned
            type_ = Literal[self.categories] if pinned else Annotated[str, msgspec.Meta(max_length=MAX_STRING)]
        elif self.dtype == "float":
            type_ = Annotated[float, msgspec.Meta(ge=float(low), le=float(high))]
        else:
            type_ = Annotated[int, msgspec.Meta(ge=math.ceil(low), le=math.floor(high))]
        return type_ | None if self.nullable else type_

    @property
    def expected(self) -> str:
        """What it takes, in words: `float from 0 to 130 l/s`."""
        words: list[str] = [self.dtype]
        if self.categories is not None:
            words.append("one of " + clipped(", ".join(self.categories), 120))
        if self.min is not None:
            words.append(f"from {_plain(self.min)}")
        if self.max is not None:
            words.append(f"to {_plain(self.max)}")
        if self.unit not in (None, "1"):
            words.append(str(self.unit))
        return " ".join(words) + (" or null" if self.nullable else "")

    @property
    def schema(self) -> dict[str, Any]:
        """A JSON Schema of its values."""
        kind = {"float": "number", "string": "string"}.get(self.dtype, "integer")
        schema: dict[str, Any] = {"type": [kind, "null"] if self.nullable else kind}
        low, high = self.refused_beyond
        if self.dtype == "string":
            schema["maxLength"] = MAX_STRING
            if self.pinned:
                schema["enum"] = [*(self.categories or ()), *([None] if self.nullable else [])]
        else:
            schema |= {"minimum": _plain(low), "maximum": _plain(high)}
        said = [self.description, f"[{self.unit}]" if self.unit else ""]
        return schema | {"description": " ".join(filter(None, said))} if any(said) else schema

    def check(self, value: object, path: tuple[str | int, ...]) -> Value | Problem:
        """The value as it enters a row, or what is wrong with it.

        Args:
            value: a plain Python value, or `MISSING`.
            path: where the features stood in the message.
        """
        where = (*path, self.name)
        if value is MISSING:
            return Problem("missing_feature", where, f"`{self.name}` is required ({self.expected}).")
        if value is None:
            if self.nullable:
                return None
            return Problem("null_not_allowed", where, f"`{self.name}` must not be null: expected {self.expected}.")
        return self._check_string(value, where) if self.dtype == "string" else self._check_number(value, where)

    def _check_number(self, value: object, where: tuple[str | int, ...]) -> Value | Problem:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._refused("wrong_type", value, where, named=True)
        if isinstance(value, float) and not math.isfinite(value):
            detail = f"`{self.name}` expects {self.expected}; the number is not finite."
            return Problem("not_finite", where, detail)
        if self.dtype != "float":
            if value != int(value):
                return self._refused("wrong_type", value, where)
            value = int(value)
        low, high = self.refused_beyond
        if not low <= value <= high:
            return self._refused("out_of_range", value, where)
        return float(value) if self.dtype == "float" else value

    def _check_string(self, value: object, where: tuple[str | int, ...]) -> str | Problem:
        if not isinstance(value, str):
            return self._refused("wrong_type", value, where, named=True)
        if len(value) > MAX_STRING:
            detail = f"`{self.name}` expects at most {MAX_STRING} characters; got {len(value)}."
            return Problem("string_too_long", where, detail)
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            detail = f"`{self.name}` holds a NUL or half a surrogate pair. Remove it."
            return Problem("invalid_character", where, detail)
        if self.pinned and value not in (self.categories or ()):
            return self._refused("unknown_category", value, where)
        return value

    def _refused(self, code: str, value: object, where: tuple[str | int, ...], *, named: bool = False) -> Problem:
        came = with_kind(value) if named else clipped(value)
        return Problem(code, where, f"`{self.name}` expects {self.expected}; got {came}.")


def clipped(value: object, limit: int = _SHOWN) -> str:
    """What came, short enough to show and safe to send: at most `limit` characters, no half surrogate pairs."""
    if isinstance(value, str):
        text = value[:limit].encode("utf-8", "replace").decode()
    else:
        text = json.dumps(value, default=str)
    return (
        text if len(text) <= limit and (not isinstance(value, str) or len(value) <= limit) else text[: limit - 1] + "…"
    )


def with_kind(value: object) -> str:
    """What came, as `clipped` shows it, where a text and a number may look the same: `the text 12`."""
    if isinstance(value, str):
        return f"the text {clipped(value)}" if value else "an empty text"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"the number {clipped(value)}" if is_number else clipped(value)


def _plain(number: float) -> float | int:
    """2.0 as 2, so that a signature reads and digests the same whichever way its numbers were written."""
    return int(number) if float(number).is_integer() and abs(number) < 1e15 else number
