"""Slots: what is due when, against a scan of every minute and against what Celery reads out of the same text."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.errors import BadSchedule
from jobs.schedules import slots

UTC = datetime.UTC
MINUTE = datetime.timedelta(minutes=1)
LONG_AGO = datetime.datetime(1990, 1, 1, tzinfo=UTC)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]


def scanned(when: slots.Crontab, first: datetime.datetime, minutes: int) -> list[tuple[datetime.datetime, str]]:
    """When slots of some local minutes are due, and their local times, by asking Celery's fields of each minute."""
    minute, hour, day, month, weekday = when.text.split()
    fields = crontab(minute, hour, day_of_week=weekday, day_of_month=day, month_of_year=month)
    found = []
    for offset in range(minutes):
        local = first + offset * MINUTE
        if (
            local.minute in fields.minute
            and local.hour in fields.hour
            and local.day in fields.day_of_month
            and local.month in fields.month_of_year
            and local.isoweekday() % 7 in fields.day_of_week
        ):
            due_at = local.replace(tzinfo=when.zone).astimezone(UTC)
            found.append((due_at, f"{local:%Y-%m-%dT%H:%M} {when.zone.key}"))
    return sorted(found)


@st.composite
def fields(draw: st.DrawFn) -> str:
    """Five fields, most of them often due."""
    numbers = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
    said = []
    for low, high in numbers.values():
        number = st.integers(low, high)
        ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
        some = st.lists(st.one_of(number.map(str), ranges), min_size=1, max_size=3).map(",".join)
        steps = st.integers(1, 20).map("*/{}".format)
        said.append(draw(st.one_of(st.just("*"), st.just("*"), some, steps)))
    return " ".join(said)


# Days around which a clock jumps: in spring, in autumn, by half an hour, at midnight; and an ordinary one.
DAYS = ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04", "2018-11-04", "2026-11-22"]


# A scan of four days takes its time on a busy machine.
@settings(deadline=None)
@given(text=fields(), zone=st.sampled_from(ZONES), day=st.sampled_from(DAYS), minute=st.integers(0, 2879))
@example(text="30 2 * * *", zone="Europe/Berlin", day="2026-03-29", minute=1440 + 90)
@example(text="0,10,35 2 * * *", zone="Australia/Lord_Howe", day="2026-10-04", minute=1440 + 2 * 60 + 36)
@example(text="30 0 * * *", zone="America/Sao_Paulo", day="2018-11-04", minute=1440 + 90)
def test_slots_are_those_of_a_scan_of_every_minute(text: str, zone: str, day: str, minute: int) -> None:
    try:
        when = slots.parse(text, zone)
    except BadSchedule:
        return  # the 30th of February and its like
    first = datetime.datetime.fromisoformat(day) - datetime.timedelta(days=1)
    every = scanned(when, first, 4 * 1440)
    now = (first + minute * MINUTE).replace(tzinfo=when.zone).astimezone(UTC) + datetime.timedelta(seconds=7)
    since = first.replace(tzinfo=when.zone).astimezone(UTC)

    past = [one for one in every if since <= one[0] <= now]
    slot = slots.latest(when, now=now, since=since)
    assert (slot and (slot.due_at, slot.key)) == (past[-1] if past else None)

    later = [one for one in every if one[0] > now]
    following = slots.following(when, after=now)
    if later:
        assert following is not None
        assert following.due_at == later[0][0]
        assert following.key == max(one for one in later if one[0] == later[0][0])[1]
    else:
        assert following is None or following.due_at > every[-1][0] if every else True


def keys(text: str, zone: str, start: datetime.datetime, hours: float) -> list[str]:
    """The keys a look each minute would start, in their order, each once."""
    when, seen = slots.parse(text, zone), []
    for offset in range(round(hours * 60)):
        slot = slots.latest(when, now=start + offset * MINUTE, since=start)
        if slot and slot.key not in seen:
            seen.append(slot.key)
    return seen


def test_a_time_that_spring_jumps_over_is_due_an_hour_later() -> None:
    start = datetime.datetime(2026, 3, 28, 23, tzinfo=UTC)

    assert keys("30 2 * * *", "Europe/Berlin", start, 24) == ["2026-03-29T02:30 Europe/Berlin"]
    slot = slots.latest(slots.parse("30 2 * * *", "Europe/Berlin"), now=start + 23 * 60 * MINUTE, since=start)
    assert slot is not None
    assert slot.due_at == datetime.datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_time_that_autumn_shows_twice_is_due_once() -> None:
    start = datetime.datetime(2026, 10, 24, 22, tzinfo=UTC)

    assert keys("30 2 * * *", "Europe/Berlin", start, 24) == ["2026-10-25T02:30 Europe/Berlin"]


def test_an_hourly_schedule_runs_once_an_hour_through_the_jump() -> None:
    start = datetime.datetime(2026, 3, 29, 0, tzinfo=UTC)

    assert [key[11:16] for key in keys("0 * * * *", "Europe/Berlin", start, 4)] == ["01:00", "03:00", "04:00", "05:00"]


def test_however_long_nobody_looked_one_slot_is_due() -> None:
    when = slots.parse("*/5 * * * *", "UTC")
    now = datetime.datetime(2026, 11, 22, 12, 3, tzinfo=UTC)

    slot = slots.latest(when, now=now, since=LONG_AGO)

    assert slot is not None
    assert slot.key == "2026-11-22T12:00 UTC"


def test_nothing_is_due_from_before_the_schedule_was_made() -> None:
    when = slots.parse("0 3 * * *", "UTC")
    made = datetime.datetime(2026, 11, 22, 12, tzinfo=UTC)

    assert slots.latest(when, now=made + 14 * 60 * MINUTE, since=made) is None
    assert slots.latest(when, now=made + 15 * 60 * MINUTE, since=made) is not None


def test_a_day_must_fit_day_month_and_weekday_as_with_celery() -> None:
    friday_13th = slots.parse("0 9 13 * 5", "UTC")

    first = slots.following(friday_13th, after=datetime.datetime(2026, 1, 1, tzinfo=UTC))
    second = first and slots.following(friday_13th, after=first.due_at)

    assert [slot and f"{slot.local:%F}" for slot in (first, second)] == ["2026-02-13", "2026-03-13"]


def test_a_leap_day_on_a_monday_is_found() -> None:
    slot = slots.following(slots.parse("0 0 29 2 1", "UTC"), after=datetime.datetime(2026, 1, 1, tzinfo=UTC))

    assert slot is not None
    assert f"{slot.local:%F}" == "2044-02-29"


@pytest.mark.parametrize(
    ("text", "minutes"), [("* * * * *", 1), ("*/7 * * * *", 4), ("0,59 0,23 * * *", 1), ("5 4 * * *", 1440)]
)
def test_the_shortest_gap(text: str, minutes: int) -> None:
    assert slots.parse(text, "UTC").shortest_gap_minutes == minutes


@pytest.mark.parametrize(
    ("text", "zone", "says"),
    [
        ("", "UTC", "five fields"),
        ("* * * * * *", "UTC", "has 6"),
        ("@daily", "UTC", "has 1"),
        ("60 * * * *", "UTC", "60 > 59"),
        ("*/0 * * * *", "UTC", "no crontab"),
        ("0 0 30 2 *", "UTC", "no crontab"),
        ("0 0 * * 7", "UTC", "7 > 6"),
        ("x * * * *", "UTC", "no crontab"),
        ("* ; * * *", "UTC", "hour is"),
        (f"* {'1,' * 48}1 * * *", "UTC", "hour has at most 96"),
        ("0 3 * * *", "Europe/Berlim", "IANA"),
        ("0 3 * * *", "../etc/passwd", "IANA"),
        ("0 3 * * *", "\x00", "IANA"),
        ("0 3 * * *", "", "IANA"),
        ("0 3 * * *", "Europe", "IANA"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(text: str, zone: str, says: str) -> None:
    with pytest.raises(BadSchedule, match=says):
        slots.parse(text, zone)


def test_a_long_list_of_minutes_is_read() -> None:
    every = ",".join(str(minute) for minute in range(0, 60, 2))

    assert slots.parse(f"{every} * * * *", "UTC").times == slots.parse("*/2 * * * *", "UTC").times


def test_names_of_days_and_months_are_read() -> None:
    when = slots.parse("0 9 * jan-mar mon-fri", "Europe/London")

    assert (when.months, when.weekdays) == ({1, 2, 3}, {1, 2, 3, 4, 5})
    assert when.zone == ZoneInfo("Europe/London")
