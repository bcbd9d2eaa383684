"""One try at storing a group: what Postgres is asked to do, and what its answers mean for the entries."""

from collections.abc import Sequence
from typing import Protocol

from inference.recorder import rejections
from inference.recorder.entries import Participant, ParticipantKind
from inference.recorder.groups import Group

_FILL = "CREATE TEMPORARY TABLE probe ON COMMIT DROP AS SELECT generate_series(1, 100000)"


class Owner(Protocol):
    """Who decides what happens after an attempt."""

    def attempt_committed(self, group: Group) -> None:
        """The group is stored."""
        ...

    def attempt_failed(self, group: Group, sqlstate: str, message: str) -> None:
        """Nothing of the group is stored."""
        ...

    def attempt_lost(self, group: Group, xid: str | None, reason: str) -> None:
        """The connection is gone; with an `xid` nobody knows yet whether the group is stored."""
        ...


class Attempt:
    """A transaction for the writer, made from a group.

    Args:
        group: what to store.
        kinds: the registered kinds of participants, in their order.
        owner: is told the end.
        probing: fail as long as the disk is full, also when the group is empty.

    Raises:
        Exception: an entry can't be written as SQL, e.g. a text that is not Unicode. Any of the group may be it.
    """

    __slots__ = ("_group", "_kinds", "_owner", "_rows", "statements")

    def __init__(self, group: Group, kinds: Sequence[ParticipantKind], owner: Owner, probing: bool = False) -> None:
        self._group = group
        self._owner = owner
        self._rows = group.text().encode()
        self._kinds: list[ParticipantKind] = []
        self.statements: list[str] = [_FILL] if probing else []
        if kinds:
            self._add_participants(kinds)
        if group.counts:
            self.statements.append(rejections.statement(group.counts))

    def _add_participants(self, kinds: Sequence[ParticipantKind]) -> None:
        members: dict[int, list[Participant]] = {}
        for participant in self._group.participants:
            members.setdefault(id(participant.kind), []).append(participant)
        for kind in kinds:
            if id(kind) in members:
                self._kinds.append(kind)
                self.statements.append(kind.statement(sorted(members[id(kind)], key=lambda one: one.key)))

    def rows(self, results: Sequence[Sequence[str]]) -> bytes:
        """The lines of the entries whose participants all hold."""
        if not self._kinds:
            return self._rows
        held = {(id(kind), key) for kind, keys in zip(self._kinds, results, strict=True) for key in keys}
        self._group.refuse(held)
        return self._group.text().encode() if self._group.refusals else self._rows

    def committed(self) -> None:
        """The group is stored."""
        self._owner.attempt_committed(self._group)

    def failed(self, sqlstate: str, message: str) -> None:
        """Nothing of the group is stored."""
        self._owner.attempt_failed(self._group, sqlstate, message)

    def lost(self, xid: str | None, reason: str) -> None:
        """The connection is gone."""
        self._owner.attempt_lost(self._group, xid, reason)
