"""When a schedule is due: slots, computed from five crontab fields and a time zone. No I/O, no clock of its own.

The fields mean exactly what they mean to Celery, which also reads them: a day must fit the day of the month, the month
and the day of the week, all three. A slot is a local date and time. One that the clock jumps over in spring is due as
long after the jump as it was meant after the old hour (02:30 becomes 03:30); one that the clock shows twice in autumn
is due the first time only. Where two slots fall on the same moment, the later local time stands for both.
"""

import datetime
import re
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.schedules import ParseException, crontab

from jobs.errors import BadSchedule

_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_FIELD = re.compile(r"[0-9A-Za-z*/,-]+")
_MOST_CHARACTERS = {"minute": 240, "hour": 96, "day of the month": 124, "month": 64, "day of the week": 64}
"""What fits into beat's table."""
_DAY = datetime.timedelta(days=1)
_HORIZON_DAYS = 41 * 366
"""29 February falls on a given day of the week every 28 years, and after a year like 2100 every 40."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time a schedule is due: `local` is naive and of the zone, `due_at` the moment it stands for, in UTC."""

    local: datetime.datetime
    zone: str
    due_at: datetime.datetime

    @property
    def key(self) -> str:
        """What makes the slot one of a kind, at most 64 characters: `2026-03-29T02:30 Europe/Berlin`."""
        return f"{self.local:%Y-%m-%dT%H:%M} {self.zone}"


@dataclass(frozen=True, slots=True)
class Crontab:
    """Five fields and a zone. `times` are minutes since midnight, rising; `weekdays` count from Sunday, 0."""

    text: str
    zone: ZoneInfo
    times: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def shortest_gap_minutes(self) -> int:
        """The least time between two slots that follow each other, were every day one of its days."""
        first = self.times[0] + 24 * 60
        return min(later - earlier for earlier, later in zip(self.times, (*self.times[1:], first), strict=True))

    def on(self, day: datetime.date) -> tuple[Slot, ...]:
        """The slots of a local day, by local time."""
        fits = day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays
        return _slots(self, day) if fits else ()


@lru_cache(maxsize=1024)
def parse(text: str, zone: str) -> Crontab:
    """Read a crontab's five fields.

    Args:
        text: minute, hour, day of the month, month, day of the week (Sunday is 0), with spaces between them.
        zone: an IANA name, `Europe/Berlin`.

    Raises:
        BadSchedule: a field or the zone can't be read, or no day ever fits.
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise BadSchedule(f"A crontab has five fields ({', '.join(_FIELDS)}); {text[:80]!r} has {len(fields)}.")
    for name, field in zip(_FIELDS, fields, strict=True):
        if not _FIELD.fullmatch(field):
            raise BadSchedule(f"The {name} is digits or names, `*`, `/`, `-` and `,`; it is {field[:40]!r}.")
        if len(field) > _MOST_CHARACTERS[name]:
            raise BadSchedule(f"The {name} has at most {_MOST_CHARACTERS[name]} characters; it has {len(field):,}.")
    minute, hour, day, month, weekday = fields
    try:
        read = crontab(minute, hour, day_of_week=weekday, day_of_month=day, month_of_year=month)
    except (ValueError, ParseException) as error:
        raise BadSchedule(f"{text[:80]!r} is no crontab: {error}") from None
    return Crontab(
        text=" ".join(fields),
        zone=_zone(zone),
        times=tuple(hour * 60 + minute for hour in sorted(read.hour) for minute in sorted(read.minute)),
        days=frozenset(read.day_of_month),
        months=frozenset(read.month_of_year),
        weekdays=frozenset(read.day_of_week),
    )


def latest(when: Crontab, *, now: datetime.datetime, since: datetime.datetime) -> Slot | None:
    """The slot that was due last, from `since` until `now`, both included and aware; None when there is none."""
    day, last = _local_day(when, now) + _DAY, _local_day(when, since) - _DAY
    while day >= last:
        # What a jump of the clock moved may come after something of the next day: both are looked at.
        found = [
            slot for one in (day, day - _DAY, day - 2 * _DAY) for slot in when.on(one) if since <= slot.due_at <= now
        ]
        if found:
            return max(found, key=lambda slot: (slot.due_at, slot.local))
        day -= _DAY
    return None


def following(when: Crontab, *, after: datetime.datetime) -> Slot | None:
    """The first slot that is due later than an aware moment; None when there is none in 41 years."""
    first = _local_day(when, after) - _DAY
    for offset in range(_HORIZON_DAYS):
        day = first + offset * _DAY
        found = [slot for one in (day, day + _DAY, day + 2 * _DAY) for slot in when.on(one) if slot.due_at > after]
        if found:
            soonest = min(slot.due_at for slot in found)
            return max((slot for slot in found if slot.due_at == soonest), key=lambda slot: slot.local)
    return None


@lru_cache(maxsize=1024)
def _slots(when: Crontab, day: datetime.date) -> tuple[Slot, ...]:
    midnight = datetime.datetime.combine(day, datetime.time())
    locals_ = [midnight + datetime.timedelta(minutes=minutes) for minutes in when.times]
    return tuple(
        Slot(local, when.zone.key, local.replace(tzinfo=when.zone).astimezone(datetime.UTC)) for local in locals_
    )


def _local_day(when: Crontab, moment: datetime.datetime) -> datetime.date:
    return moment.astimezone(when.zone).date()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSchedule(
            f"The time zone must be an IANA name, as Europe/Berlin or UTC; it is {name[:64]!r}."
        ) from None
