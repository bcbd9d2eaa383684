"""An instance: one row of feature values, with what its sender said about it."""

import datetime

import msgspec

from inference.engine.signature import Row


class Instance(msgspec.Struct, frozen=True, gc=False):
    """One row to predict.

    `device_time` is when the device says it read the values, in UTC; `warnings` are codes that go into
    the record and the answer.
    """

    row: Row
    client_id: str | None = None
    subject: str | None = None
    device_time: datetime.datetime | None = None
    seq: int | None = None
    warnings: tuple[str, ...] = ()
