"""The header of an input: which columns it has, and whether they are the ones it must have."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.engine.inputs import clipped
from inference.engine.signature import Signature
from jobs.errors import BadHeader

MOST_COLUMNS = 4096
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Header:
    """The input's columns in their order: the signature's inputs in any order, and the carried ones."""

    columns: tuple[str, ...]


def checked(columns: Sequence[str], signature: Signature, carried: Sequence[str]) -> Header:
    """The header of these columns.

    Args:
        carried: columns that are no inputs and are kept beside the results, as an id of the caller's own.

    Raises:
        BadHeader: a column is missing, comes twice, or is neither an input nor carried; all of them are named.
    """
    wanted = (*signature.names, *carried)
    if twice := _twice(wanted):
        raise BadHeader(
            f"Columns to carry along (`carry`) are no inputs, and named once each; {_named(twice)} is not so."
        )
    problems = []
    if missing := [name for name in wanted if name not in set(columns)]:
        problems.append(f"The header lacks {_named(missing)}.")
    if twice := _twice(columns):
        problems.append(f"It has {_named(twice)} more than once.")
    if "" in columns and "" not in wanted:
        problems.append("It has a column without a name, as pandas gives an index: leave it out (`index=False`).")
    if unknown := [name for name in dict.fromkeys(columns) if name and name not in set(wanted)]:
        problems.append(
            f"It has {_named(unknown)}, which the signature does not ask for: name extra columns among the"
            " columns to carry along (`carry`), or leave them out."
        )
    if problems:
        raise BadHeader(" ".join(problems) + f" The inputs are {_named(signature.names)}.")
    return Header(tuple(columns))


def _twice(names: Sequence[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _named(names: Iterable[str]) -> str:
    known = list(names)
    more = len(known) - _SHOWN
    return ", ".join(f"`{clipped(name)}`" for name in known[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
