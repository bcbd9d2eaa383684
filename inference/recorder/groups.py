"""Which entries share a transaction, in which order, and what becomes of a group that failed. No I/O."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from inference.recorder.entries import Entry, Participant
from inference.recorder.rejections import Counts

MAX_ROWS = 1000
MAX_CHARACTERS = 4 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Group:
    """Entries, in the order they were submitted, and counts of rejections, that share one transaction."""

    entries: list[Entry]
    counts: Counts = field(default_factory=dict)
    refusals: dict[int, Participant] = field(default_factory=dict)
    """Of the entries that are left out, by their place: the participant that does not hold."""

    @property
    def participants(self) -> Iterable[Participant]:
        """Those of all entries."""
        return (participant for entry in self.entries for participant in entry.participants)

    def text(self) -> str:
        """The COPY lines of the entries that are not refused."""
        if not self.refusals:
            return "".join([entry.text for entry in self.entries])
        return "".join([entry.text for place, entry in enumerate(self.entries) if place not in self.refusals])

    def refuse(self, holding: set[tuple[int, str]]) -> None:
        """Leave out the entries with a participant that does not hold.

        Args:
            holding: (id of the kind, key) of each participant that does.
        """
        self.refusals = {}
        for place, entry in enumerate(self.entries):
            for participant in entry.participants:
                if (id(participant.kind), participant.key) not in holding:
                    self.refusals[place] = participant
                    break

    def first_id(self) -> str | None:
        """The id of the first row stored, if there is one."""
        for place, entry in enumerate(self.entries):
            if place not in self.refusals and entry.rows:
                return entry.text.partition("\t")[0]
        return None


class Queue:
    """The entries that wait, oldest first."""

    def __init__(self) -> None:
        self._again: deque[Group] = deque()
        self._waiting: deque[Entry] = deque()

    def __bool__(self) -> bool:
        return bool(self._again or self._waiting)

    def add(self, entry: Entry) -> None:
        """Put an entry at the end."""
        self._waiting.append(entry)

    def next(self) -> Group | None:
        """Take the next group: one that was put back, or as many of the oldest entries as fit."""
        if self._again:
            return self._again.popleft()
        if not self._waiting:
            return None
        waiting = self._waiting
        entries: list[Entry] = []
        rows = characters = 0
        while waiting and rows < MAX_ROWS and characters < MAX_CHARACTERS:
            entry = waiting.popleft()
            entries.append(entry)
            rows += entry.rows
            characters += len(entry.text)
        return Group(entries)

    def put_back(self, group: Group) -> None:
        """Put a group that is not stored in front of everything, to be tried again as it is."""
        if group.entries:
            self._again.appendleft(Group(group.entries))

    def put_back_halves(self, group: Group) -> None:
        """Put a group of two or more, one of which can't be stored, in front as two groups."""
        middle = len(group.entries) // 2
        self._again.extendleft([Group(group.entries[middle:]), Group(group.entries[:middle])])

    def take_late(self, now: float) -> list[Entry]:
        """Remove the entries whose time is over, oldest first."""
        return self._take(lambda entry: entry.give_up_at <= now)

    def take_all(self) -> list[Entry]:
        """Remove every entry, oldest first."""
        return self._take(lambda entry: True)

    def _take(self, chosen: Callable[[Entry], bool]) -> list[Entry]:
        groups = [*self._again, Group(list(self._waiting))]
        taken = [entry for group in groups for entry in group.entries if chosen(entry)]
        if taken:
            for group in groups:
                group.entries = [entry for entry in group.entries if not chosen(entry)]
            self._waiting = deque(groups.pop().entries)
            self._again = deque(group for group in groups if group.entries)
        return taken
