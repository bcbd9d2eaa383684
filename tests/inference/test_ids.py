"""Prediction ids."""

import datetime
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from inference import ids


def test_an_id_is_a_uuid_of_version_7() -> None:
    number = uuid.UUID(ids.prediction_id())

    assert number.version == 7
    assert number.variant == uuid.RFC_4122


def test_ids_rise_and_are_text_as_postgres_writes_it() -> None:
    made = [ids.prediction_id() for _ in range(20_000)]

    assert made == sorted(set(made))
    assert made[0] == str(uuid.UUID(made[0]))


def test_ids_rise_over_a_clock_that_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.prediction_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000_000_000)

    made = [first, *(ids.prediction_id() for _ in range(10_000))]

    assert made == sorted(set(made))


def test_threads_make_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [ids.prediction_id() for _ in range(2_000)], range(8)))

    assert len({one for part in made for one in part}) == 16_000


def test_a_forked_process_makes_other_ids() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "".join(ids.prediction_id() for _ in range(100)).encode())
        os._exit(0)
    os.close(write)
    mine = [ids.prediction_id() for _ in range(100)]
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)

    theirs = [text[place : place + 36] for place in range(0, len(text), 36)]
    assert len(theirs) == 100
    # The same millisecond and counter may occur in both; the random bits may not.
    assert not {one[-16:] for one in mine} & {one[-16:] for one in theirs}


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.datetime.now(datetime.UTC)
    made_at = ids.time_of(ids.prediction_id())
    after = datetime.datetime.now(datetime.UTC)

    assert before - datetime.timedelta(seconds=1) <= made_at <= after + datetime.timedelta(seconds=1)


def test_the_floor_of_a_moment_is_not_above_its_ids_and_above_all_earlier_ones() -> None:
    moment = datetime.datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=datetime.UTC)

    assert ids.time_of(ids.floor(moment)) == moment
    latest_before = uuid.UUID(int=(1 << 80) * ((ids.floor(moment).int >> 80) - 1) + (1 << 80) - 1)
    assert latest_before < ids.floor(moment)
    assert ids.time_of(latest_before) == moment - datetime.timedelta(milliseconds=1)


def test_text_that_is_no_id_is_refused() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        ids.time_of("yesterday")
