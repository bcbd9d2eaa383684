"""Moments as clients send them: RFC 3339 with a zone, or Unix seconds."""

import datetime
from typing import Annotated

import msgspec

from inference.engine.errors import InvalidInput, Problem
from inference.engine.inputs import clipped

_Zoned = Annotated[datetime.datetime, msgspec.Meta(tz=True)]


def moment(ts: object, path: tuple[str | int, ...]) -> datetime.datetime:
    """What a client sent as a time, in UTC.

    Args:
        ts: a text or a number of any value.
        path: where it stood in the message.

    Raises:
        InvalidInput: with `bad_timestamp`.
    """
    try:
        if isinstance(ts, str):
            return msgspec.convert(ts, _Zoned).astimezone(datetime.UTC)
        if isinstance(ts, int | float) and not isinstance(ts, bool):
            return datetime.datetime.fromtimestamp(ts, tz=datetime.UTC)
    except (msgspec.ValidationError, ValueError, OverflowError, OSError):
        pass
    detail = f"`{path[-1]}` expects RFC 3339 with a zone, or Unix seconds; got {clipped(ts)}."
    raise InvalidInput(Problem("bad_timestamp", path, detail))
