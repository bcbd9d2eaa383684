"""One truth told of a prediction, as a client says it: plain values in, checked ones out. No I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from inference.engine.errors import InvalidInput, Problem
from inference.engine.inputs import MAX_STRING, MISSING, clipped, with_kind
from inference.engine.times import moment
from inference.errors import NotFound
from inference.ids import prediction_id

FIELDS = frozenset({"prediction", "value", "ts"})


@dataclass(frozen=True, slots=True)
class Truth:
    """One thing somebody says of one prediction.

    `value` is the true label, or the true value as a finite number. `device_time` is when its sender says it was
    found out. `id` is the row's, if it becomes one.
    """

    prediction: UUID
    value: str | int | float
    device_time: datetime | None = None
    id: str = field(default_factory=prediction_id, compare=False)


def truth_read(said: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Truth:
    """One item as a client says it: `prediction` (id), `value`, optional `ts`; other names are the caller's to refuse.

    Raises:
        InvalidInput: `value` can't be any endpoint's answer, `ts` is no time, or `prediction` is no text.
        NotFound: `prediction` is no id.
    """
    id_ = said.get("prediction", MISSING)
    if not isinstance(id_, str):
        came = "nothing" if id_ is MISSING else clipped(id_)
        detail = f"`prediction` expects a prediction's id, a text; got {came}."
        raise InvalidInput(Problem("wrong_type", (*path, "prediction"), detail))
    value = _value(said.get("value", MISSING), (*path, "value"))
    device_time = moment(said["ts"], (*path, "ts")) if "ts" in said else None
    return Truth(prediction_of(id_), value, device_time)


def prediction_of(id_: str) -> UUID:
    """The prediction's id in a text.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(id_)
    except ValueError:
        raise NotFound("This prediction") from None


def _value(value: object, path: tuple[str | int, ...]) -> str | int | float:
    if isinstance(value, str):
        if len(value) > MAX_STRING or "\x00" in value or any("\ud800" <= one <= "\udfff" for one in value):
            raise bad_label(value, "a label or a number", path)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_label(value, "a label or a number", path)
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise InvalidInput(Problem("not_finite", path, "`value` expects a finite number."))
    # Integers beyond 64 bits have no form in MessagePack, nor in most programs: they are kept as the float they equal.
    return value if abs(value) < 2**63 else float(value)


def bad_label(value: object, possible: str, path: tuple[str | int, ...]) -> InvalidInput:
    """The refusal of a value that is none of the possible ones."""
    came = "nothing" if value is MISSING else with_kind(value)
    return InvalidInput(Problem("bad_label", path, f"`value` expects {possible}; got {came}."))
