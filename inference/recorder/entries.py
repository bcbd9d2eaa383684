"""What the recorder is given to store, and who else takes part in the transaction that stores it."""

from collections.abc import Sequence
from typing import Protocol

from inference.engine.errors import ForetellError


class ParticipantKind(Protocol):
    """A kind of condition that must hold in the very transaction that stores rows.

    Kinds are registered once, at start, and run in the order of their registration. The recorder knows none of them.
    """

    def statement(self, participants: Sequence["Participant"]) -> str:
        """One SQL statement that takes these participants' locks, changes their rows and returns who holds.

        Args:
            participants: at least one, sorted by key; locks must be taken in this order. Several may share a key:
                they hold or fall together.

        Returns:
            A statement without parameters that returns one text column: the keys of those that hold.
        """
        ...


class Participant(Protocol):
    """One condition of one entry."""

    @property
    def kind(self) -> ParticipantKind:
        """What kind it is; registered with the recorder."""
        ...

    @property
    def key(self) -> str:
        """Names the locked row and its holder; the order of keys is the order of locks in every process."""
        ...


class Entry(Protocol):
    """Rows that are stored together or not at all, and whom to tell.

    Exactly one of `committed`, `refused` and `failed` is called, once, on the event loop.
    """

    @property
    def text(self) -> str:
        """The rows as COPY lines."""
        ...

    @property
    def rows(self) -> int:
        """How many lines `text` has."""
        ...

    @property
    def participants(self) -> Sequence[Participant]:
        """The conditions under which the rows may be stored; usually none."""
        ...

    @property
    def give_up_at(self) -> float:
        """The loop's time after which, if the rows are not stored for certain, the entry fails."""
        ...

    @property
    def request_id(self) -> str:
        """What to report when the rows themselves can't be stored."""
        ...

    def committed(self) -> None:
        """The rows are in Postgres and survive."""
        ...

    def refused(self, participant: Participant) -> None:
        """This participant no longer holds; nothing is stored."""
        ...

    def failed(self, error: ForetellError) -> None:
        """Nothing is stored, for certain."""
        ...
