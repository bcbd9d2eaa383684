"""What an endpoint asks and answers, compiled once into what decodes, checks and shapes its rows.

Fast accept, slow explain: `features_type` lets msgspec refuse a wrong value while it decodes, without a word of ours
run per value; whatever it refuses goes through `row`, which finds every problem by name. Both give the same `Row`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from inference.engine.eager import eager
from inference.engine.errors import InvalidInput, InvalidSignature, Problem
from inference.engine.inputs import MISSING, Input, Value, clipped

Row = tuple[Value, ...]
"""One instance's values in signature order. A missing value is None."""

MAX_INPUTS = 1024


@eager
@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The kind of answer: labels with scores in [0, 1], a value in a unit, or an anomaly score."""

    kind: Literal["classification", "regression", "anomaly"]
    labels: tuple[str, ...] = ()
    unit: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("classification", "regression", "anomaly"):
            raise InvalidSignature(f"Output kind must be classification, regression or anomaly; it is {self.kind!r}.")
        if (self.kind == "classification") != (
            len(set(self.labels)) >= 2 and len(set(self.labels)) == len(self.labels)
        ):
            raise InvalidSignature("A classification has two or more different labels; other outputs have none.")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        said: dict[str, Any] = {"kind": self.kind}
        if self.labels:
            said["labels"] = list(self.labels)
        if self.unit is not None:
            said["unit"] = self.unit
        return said


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows turned into what models take.

    `matrix`: float32 [n, number of float and int inputs], NaN where missing. `integers`: int64 [n, 1] by name.
    `strings`: object [n, 1] of str by name, empty where missing. The last two are empty for an all-numeric signature.
    """

    n: int
    matrix: npt.NDArray[np.float32]
    integers: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    strings: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)


@dataclass(frozen=True)
class Signature:
    """Ordered, typed inputs and the kind of output."""

    inputs: tuple[Input, ...]
    output: Output

    def __post_init__(self) -> None:
        if not 1 <= len(self.inputs) <= MAX_INPUTS:
            raise InvalidSignature(f"A signature has 1 to {MAX_INPUTS} inputs; this one has {len(self.inputs)}.")
        if len(set(self.names)) < len(self.names):
            raise InvalidSignature("Each input needs a name of its own.")

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Signature":
        """Read the form `to_dict` writes.

        Raises:
            InvalidSignature: something is missing, unknown or contradicts itself.
        """
        try:
            inputs = tuple(_converted(one, Input) for one in said["inputs"])
            output = _converted(said["output"], Output)
        except KeyError as error:
            raise InvalidSignature(f"A signature has `inputs` and an `output`; {error} is missing.") from None
        return cls(inputs, output)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form, the one the digest is taken of."""
        return {"inputs": [one.to_dict() for one in self.inputs], "output": self.output.to_dict()}

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of the canonical JSON form: sorted keys, no white space, UTF-8."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The inputs' names in order."""
        return tuple(one.name for one in self.inputs)

    @cached_property
    def all_numeric(self) -> bool:
        """Whether a row is one line of a float32 matrix."""
        return all(one.numeric for one in self.inputs)

    @cached_property
    def _complete(self) -> bool:
        """Whether a row is all numeric and none of its values can be missing."""
        return self.all_numeric and not any(one.nullable for one in self.inputs)

    # ---- Rows -------------------------------------------------------------------------------------------------------

    @cached_property
    def features_type(self) -> Any:
        """The msgspec type of `features`: an object by name or a list in order, with the ranges as constraints."""
        types = [one.value_type for one in self.inputs]
        by_name = msgspec.defstruct(
            "Features",
            [(f"f{position}", type_) for position, type_ in enumerate(types)],
            rename={f"f{position}": name for position, name in enumerate(self.names)},
            forbid_unknown_fields=True,
            gc=False,
        )
        in_order = tuple.__class_getitem__(tuple(types))
        return Union[eager(by_name), in_order]  # noqa: UP007 - built at run time

    def decoded_row(self, features: Any) -> Row:
        """The row of what `features_type` decoded.

        Raises:
            InvalidInput: a free string holds a character that can't be stored.
        """
        row: Row = features if type(features) is tuple else msgspec.structs.astuple(features)
        for position in self._free_strings:
            text = row[position]
            if isinstance(text, str) and "\x00" in text:
                return self.row(list(row))
        return row

    def colons(self, features: Any) -> int:
        """How many colons the JSON text of decoded `features` holds if it has no escapes and no key came twice.

        msgspec keeps the last of two equal keys without a word. Counting colons in the raw text finds that out for
        the price of a scan: a text with more of them, or with a backslash, is read again by the strict decoder.
        """
        if type(features) is tuple:
            return sum(value.count(":") for value in features if isinstance(value, str)) if self._strings else 0
        colons = len(self.inputs)
        for position in self._strings:
            value = getattr(features, f"f{position}")
            colons += value.count(":") if value else 0
        return colons

    def row(self, features: object, path: tuple[str | int, ...] = ()) -> Row:
        """The row of plain Python values: a mapping by name, or a list in signature order.

        Args:
            features: what came.
            path: where it stood in the message; problems are named from there.

        Raises:
            InvalidInput: with every problem found.
        """
        if isinstance(features, Mapping):
            problems = [
                Problem("unknown_feature", (*path, str(name)), f"`{clipped(name)}` is not an input. {self._asked}")
                for name in features
                if name not in self._by_name
            ]
            values = [features.get(name, MISSING) for name in self.names]
        elif isinstance(features, list | tuple):
            if len(features) != len(self.inputs):
                detail = f"Expected {len(self.inputs)} values in the order of the signature; got {len(features)}."
                raise InvalidInput(Problem("wrong_shape", path, detail))
            problems, values = [], list(features)
        else:
            detail = f"Expected an object by name or a list of {len(self.inputs)} values; got {clipped(features)}."
            raise InvalidInput(Problem("wrong_shape", path, detail))
        row = []
        for one, value in zip(self.inputs, values, strict=True):
            checked = one.check(value, path)
            if isinstance(checked, Problem):
                problems.append(checked)
            else:
                row.append(checked)
        if problems:
            raise InvalidInput(*problems)
        return tuple(row)

    def warnings(self, row: Row) -> tuple[str, ...]:
        """`out_of_range:<name>` for each value outside its range under the lenient policy."""
        return tuple(
            f"out_of_range:{name}"
            for position, name, low, high in self._lenient
            if isinstance(value := row[position], int | float) and not low <= value <= high
        )

    def row_json(self, row: Row) -> str:
        """The row as a JSON list, the form it is stored in."""
        return msgspec.json.encode(row).decode()

    # ---- Columns ----------------------------------------------------------------------------------------------------

    def columns(self, rows: Sequence[Row]) -> Columns:
        """Shape rows into what models take; numbers are rounded to float32 here, as they were for training."""
        if self._complete:
            # Two to four times as fast as np.array, which would first look for the shape and a common type.
            stream = chain.from_iterable(rows)
            values = np.fromiter(stream, np.float32, len(rows) * len(self.inputs))
            if next(stream, None) is not None:
                raise ValueError(f"a row has more than {len(self.inputs)} values")
            return Columns(len(rows), values.reshape(len(rows), len(self.inputs)))
        if self.all_numeric:
            return Columns(len(rows), np.array(rows, dtype=np.float32))
        by_position = list(zip(*rows, strict=True))
        matrix = np.array([by_position[p] for p, one in enumerate(self.inputs) if one.numeric], dtype=np.float32)
        integers, strings = {}, {}
        for position, one in enumerate(self.inputs):
            if one.dtype == "int64":
                integers[one.name] = np.array(by_position[position], dtype=np.int64).reshape(-1, 1)
            elif one.dtype == "string":
                texts = ["" if text is None else text for text in by_position[position]]
                strings[one.name] = np.array(texts, dtype=object).reshape(-1, 1)
        return Columns(len(rows), np.ascontiguousarray(matrix.reshape(-1, len(rows)).T), integers, strings)

    def json_schema(self) -> dict[str, Any]:
        """A JSON Schema of the object form of `features`, for the tools of those who send them.

        It refuses what `row` refuses, except characters that can't be stored.
        """
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {one.name: one.schema for one in self.inputs},
            "required": list(self.names),
            "additionalProperties": False,
        }

    @cached_property
    def _by_name(self) -> dict[str, Input]:
        return {one.name: one for one in self.inputs}

    @cached_property
    def _asked(self) -> str:
        shown = ", ".join(self.names[:12])
        return f"The inputs are {shown}{', …' if len(self.names) > 12 else ''}."

    @cached_property
    def _strings(self) -> tuple[int, ...]:
        return tuple(position for position, one in enumerate(self.inputs) if one.dtype == "string")

    @cached_property
    def _free_strings(self) -> tuple[int, ...]:
        """Positions of strings whose values msgspec does not pin to a list."""
        return tuple(position for position in self._strings if not self.inputs[position].pinned)

    @cached_property
    def _lenient(self) -> tuple[tuple[int, str, float, float], ...]:
        return tuple(
            (position, one.name, *one.bounds)
            for position, one in enumerate(self.inputs)
            if one.dtype != "string" and one.out_of_range == "warn"
        )


Part = TypeVar("Part", Input, Output)


def _converted(said: Mapping[str, Any], part: type[Part]) -> Part:
    """One table of a signature, its types checked and no key left over."""
    known = {one.name for one in fields(part)}
    if unknown := sorted(set(said) - known):
        raise InvalidSignature(
            f"An {part.__name__.lower()} has no {unknown[0]!r}. It may have {', '.join(sorted(known))}."
        )
    try:
        return msgspec.convert(said, part)
    except msgspec.ValidationError as error:
        wrong = str(error)
        for name, type_ in get_type_hints(part).items():
            if get_origin(type_) is Literal and name in said and said[name] not in get_args(type_):
                wrong = f"`{name}` is one of {', '.join(get_args(type_))}; it is {said[name]!r}"
        raise InvalidSignature(f"{part.__name__} {said.get('name', '')!r}: {wrong}.") from error
