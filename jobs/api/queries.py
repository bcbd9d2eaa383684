"""What stands behind the `?` of an address: places and sizes of pages, words of a few, names."""

import uuid
from collections.abc import Collection, Mapping

from inference.errors import NotFound
from inference.http.errors import BadPage

_DIGITS = 12


def number(query: Mapping[str, str], name: str, *, default: int, low: int = 0, high: int) -> int:
    """A whole number.

    Raises:
        BadPage: it is none, or outside of its range.
    """
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS or not low <= int(text) <= high:
        raise BadPage(name, f"a whole number from {low} to {high}", text)
    return int(text)


def word(query: Mapping[str, str], name: str, known: Collection[str]) -> str:
    """One of a few words; "" if none came.

    Raises:
        BadPage: it is another one.
    """
    text = query.get(name, "")
    if text and text not in known:
        raise BadPage(name, f"one of {', '.join(known)}", text)
    return text


def place(query: Mapping[str, str], name: str) -> uuid.UUID | None:
    """The id that a page begins behind.

    Raises:
        BadPage: it is none.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise BadPage(name, "an id", text) from None


def id_of(text: str, what: str) -> uuid.UUID:
    """The id in an address.

    Raises:
        NotFound: it is none, so there is nothing of that id.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound(what) from None
