"""Prediction ids: UUIDv7, so an id is the time, the primary key and the partition key of its row in one.

Layout (RFC 9562): 48 bits of Unix milliseconds, version 7, a 12-bit counter, variant, 62 random bits that are drawn
anew each millisecond: they keep processes apart, the counter keeps the ids of one process apart. Within a process ids
only rise, also when the clock steps back: the latest millisecond is then used on until the clock has
caught up. An id is not a secret: who may see a prediction is decided by the credential.
"""

import datetime
import os
import random
import threading
import time
import uuid

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_COUNTER_END = 0x1000
_VARIANT = 1 << 63


class _Sequence:
    """The rising ids of one process, from any of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._random_bits = random.Random(random.SystemRandom().getrandbits(256)).getrandbits
        self._millisecond = 0
        self._counter = 0
        self._prefix = ""
        self._tail = ""

    def next(self) -> str:
        """The next id, as text."""
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now > self._millisecond:
                self._begin(now)
            elif self._counter == _COUNTER_END:
                self._begin(self._millisecond + 1)
            counter = self._counter
            self._counter = counter + 1
            return f"{self._prefix}{counter:03x}{self._tail}"

    def _begin(self, millisecond: int) -> None:
        self._millisecond = millisecond
        self._counter = 0
        text = f"{millisecond:012x}"
        self._prefix = f"{text[:8]}-{text[8:]}-7"
        random_text = f"{self._random_bits(62) | _VARIANT:x}"
        self._tail = f"-{random_text[:4]}-{random_text[4:]}"


_sequence = _Sequence()


def prediction_id() -> str:
    """A new prediction id, as UUID text; higher than every one made before in this process."""
    return _sequence.next()


def time_of(prediction_id: str | uuid.UUID) -> datetime.datetime:
    """When an id was made, to the millisecond, in UTC.

    Raises:
        ValueError: the text is no UUID.
    """
    number = prediction_id if isinstance(prediction_id, uuid.UUID) else uuid.UUID(prediction_id)
    return _EPOCH + datetime.timedelta(milliseconds=number.int >> 80)


def floor(moment: datetime.datetime) -> uuid.UUID:
    """The lowest id of a moment: every id made at or after it is at least this, every earlier one is below.

    Args:
        moment: an aware time, from 1970 on; used to the millisecond.
    """
    milliseconds = (moment - _EPOCH) // datetime.timedelta(milliseconds=1)
    return uuid.UUID(int=milliseconds << 80)


def _begin_anew() -> None:
    global _sequence
    _sequence = _Sequence()


# A forked worker would otherwise repeat its parent's random bits, and with them its ids.
os.register_at_fork(after_in_child=_begin_anew)
