"""Storing predictions: many in one transaction, each answered by the commit that stores it.

lines         rows as COPY text
entries       what is stored together, and the conditions under which it may be
groups        which entries share a transaction
rejections    counts of refused readings, stored along
attempt       one try at storing a group, as SQL
writer        the connection, driven through libpq
backend       opening it safely, and finding out what became of a lost one
availability  whether storing works, and who wants to know
recorder      all of it together
"""

from inference.recorder.entries import Entry, Participant, ParticipantKind
from inference.recorder.lines import line, line_head, line_of
from inference.recorder.recorder import Recorder

__all__ = ["Entry", "Participant", "ParticipantKind", "Recorder", "line", "line_head", "line_of"]
