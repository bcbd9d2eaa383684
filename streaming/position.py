"""A stream's position as a participant of the transaction that stores its readings.

A reading is settled by moving `Stream.last_seq` past it, and only the session that holds the stream may do so. Both
happen in the transaction that stores the row, so a reading is stored once, and a session that was taken over stores
nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_ADVANCE = """\
WITH asked (key, id, session, first, last) AS (VALUES {values}), locked AS (
  SELECT stream.id FROM streaming_stream AS stream WHERE stream.id IN (SELECT id FROM asked)
   ORDER BY stream.id FOR NO KEY UPDATE
)
UPDATE streaming_stream AS stream SET last_seq = asked.last FROM asked JOIN locked ON locked.id = asked.id
 WHERE stream.id = asked.id AND stream.session = asked.session AND stream.last_seq < asked.first
RETURNING asked.key"""


class StreamPositions:
    """The kind of participant that moves streams on; one instance is registered with the recorder."""

    def statement(self, participants: Sequence["Position"]) -> str:
        """Lock the streams in the order of their ids, and move on those whose session still holds them."""
        spans: dict[str, tuple[Position, int, int]] = {}
        for one in participants:
            _, first, last = spans.get(one.key, (one, one.first_seq, one.last_seq))
            spans[one.key] = (one, min(first, one.first_seq), max(last, one.last_seq))
        values = ", ".join(
            f"('{key}', {one.stream_id}::bigint, '{one.session}'::uuid, {first}::bigint, {last}::bigint)"
            for key, (one, first, last) in spans.items()
        )
        return _ADVANCE.format(values=values)


@dataclass(frozen=True, slots=True)
class Position:
    """The numbered readings of one entry.

    Args:
        kind: the registered instance.
        stream_id: the stream's row.
        session: the UUID, as text, of the session that must still hold the stream.
        first_seq: the entry's lowest seq; the stream must not have been settled so far.
        last_seq: the entry's highest seq, up to which the stream is settled with it.
    """

    kind: StreamPositions
    stream_id: int
    session: str
    first_seq: int
    last_seq: int

    @property
    def key(self) -> str:
        """The stream, in the order of ids, and its holder."""
        return f"{self.stream_id:019d} {self.session}"
