"""A stream's position in the transaction that stores its readings."""

import uuid
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from inference.errors import Internal
from inference.recorder import Recorder
from streaming.position import Position, StreamPositions
from tests.inference.recorder.told import Told, told

KIND = StreamPositions()
MINE, OTHER = str(uuid.uuid4()), str(uuid.uuid4())

Rows = Callable[..., list[tuple]]


@pytest.fixture
def streams(dsn: str, clean_tables: None) -> list[int]:
    """The ids of two streams that my session holds, settled up to 10."""
    with psycopg.connect(dsn) as connection:
        return [
            stream_id
            for (stream_id,) in connection.execute(
                "WITH device AS (INSERT INTO inference_device (name, description, created_at)"
                "  VALUES ('pump', '', now()) RETURNING id),"
                " endpoint AS (INSERT INTO inference_endpoint (slug, name, description, folder, signature,"
                "  signature_digest, audit, promotion, created_at)"
                "  VALUES ('flow', '', '', '', '{}', '', 'strict', 'approve', now())"
                "  RETURNING id)"
                " INSERT INTO streaming_stream (device_id, endpoint_id, epoch, last_seq, session, created_at)"
                " SELECT device.id, endpoint.id, epoch, 10, %s, now()"
                " FROM device, endpoint, unnest(ARRAY['a', 'b']) AS epoch RETURNING id",
                [MINE],
            )
        ]


@pytest.fixture
async def recorder(dsn: str, clean_tables: None) -> AsyncIterator[Recorder]:
    """A recorder that knows streams."""
    recorder = Recorder(dsn, participants=(KIND,))
    await recorder.start()
    yield recorder
    await recorder.stop()


@pytest.fixture
def rows(dsn: str) -> Rows:
    """Runs a statement on the test database and gives its rows."""

    def fetch(sql: str, *params: object) -> list[tuple]:
        with psycopg.connect(dsn) as connection:
            return connection.execute(sql, params).fetchall()

    return fetch


def reading(order: list[Told], stream_id: int, seq: int, *, session: str = MINE, features: str = "[1]") -> Told:
    """One numbered reading of a stream."""
    position = Position(KIND, stream_id, session, seq, seq)
    return Told(order, features, participants=(position,), seq=seq)


POSITIONS = "SELECT last_seq FROM streaming_stream ORDER BY id"
SEQS = "SELECT seq FROM inference_prediction ORDER BY seq"


async def test_readings_and_the_position_they_reach_are_one_commit(
    recorder: Recorder, rows: Rows, streams: list[int]
) -> None:
    order: list[Told] = []
    entries = [reading(order, streams[0], 11), reading(order, streams[1], 30), reading(order, streams[0], 12)]
    for entry in entries:
        recorder.submit(entry)
    await told(entries)

    assert order == entries
    assert all(entry.calls == ["committed"] for entry in entries)
    assert rows(POSITIONS) == [(12,), (30,)]
    assert rows("SELECT seq, count(*) OVER (PARTITION BY txid) FROM inference_prediction ORDER BY seq") == [
        (11, 3),
        (12, 3),
        (30, 3),
    ]


async def test_a_session_that_was_taken_over_stores_nothing_and_hinders_nobody(
    recorder: Recorder, rows: Rows, streams: list[int]
) -> None:
    order: list[Told] = []
    stale = reading(order, streams[0], 11, session=OTHER)
    entries = [Told(order, seq=1), stale, reading(order, streams[0], 12), reading(order, streams[1], 11)]
    for entry in entries:
        recorder.submit(entry)
    await told(entries)

    assert order == entries
    assert [entry.calls for entry in entries] == [["committed"], [stale.participants[0]], ["committed"], ["committed"]]
    assert rows(POSITIONS) == [(12,), (11,)]
    assert rows(SEQS) == [(1,), (11,), (12,)]


async def test_a_session_that_does_not_hold_the_stream_moves_nothing(
    recorder: Recorder, rows: Rows, streams: list[int]
) -> None:
    entry = reading([], streams[0], 11, session=OTHER)
    recorder.submit(entry)
    await entry.done.wait()

    assert entry.calls == [entry.participants[0]]
    assert rows(POSITIONS) == [(10,), (10,)]
    assert rows(SEQS) == []


async def test_a_seq_that_is_settled_is_not_stored_again(recorder: Recorder, rows: Rows, streams: list[int]) -> None:
    entry = reading([], streams[0], 10)
    recorder.submit(entry)
    await entry.done.wait()

    assert entry.calls == [entry.participants[0]]
    assert rows(POSITIONS) == [(10,), (10,)]
    assert rows(SEQS) == []


async def test_a_bad_row_moves_no_stream(recorder: Recorder, rows: Rows, streams: list[int]) -> None:
    order: list[Told] = []
    entries = [reading(order, streams[0], 11, features="["), reading(order, streams[1], 11)]
    for entry in entries:
        recorder.submit(entry)
    await told(entries)

    assert order == entries
    assert entries[1].calls == ["committed"]
    assert rows(POSITIONS) == [(10,), (11,)]
    assert rows(SEQS) == [(11,)]


@pytest.mark.parametrize("session", ["no uuid", "a\0b", "\ud800"])
async def test_a_position_that_is_no_sql_fails_alone(
    recorder: Recorder, rows: Rows, streams: list[int], session: str
) -> None:
    order: list[Told] = []
    bad = reading(order, streams[0], 11, session=session)
    entries = [Told(order, seq=1), bad, Told(order, seq=2)]
    for entry in entries:
        recorder.submit(entry)
    await told(entries)

    assert order == entries
    assert isinstance(bad.calls[0], Internal)
    assert rows(SEQS) == [(1,), (2,)]


async def test_a_locked_stream_delays_its_own_readings_and_lets_the_others_through(
    recorder: Recorder, rows: Rows, streams: list[int], dsn: str
) -> None:
    order: list[Told] = []
    first = Told(order, seq=1)
    locked = reading(order, streams[0], 11)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("UPDATE streaming_stream SET session = %s WHERE id = %s", [OTHER, streams[0]])
        recorder.submit(first)
        recorder.submit(locked)
        await first.done.wait()
        assert locked.calls == []
    await locked.done.wait()

    assert locked.calls == [locked.participants[0]]
    assert rows(SEQS) == [(1,)]


async def test_a_participant_that_is_not_registered_is_refused_at_once(recorder: Recorder) -> None:
    stranger = Told([], participants=(Position(StreamPositions(), 1, MINE, 1, 1),))

    with pytest.raises(ValueError, match="registered"):
        recorder.submit(stranger)
