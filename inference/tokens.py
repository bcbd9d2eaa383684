"""The secret half of a credential: how a token is made, read from a header, and reduced to what may be stored.

A token is `ft_<prefix>_<secret>`: 8 public characters to look it up by, and 256 random bits as 43 of base64url.
"""

import hashlib
import re
import secrets
import string
from typing import NamedTuple

PREFIX_CHARS = 8
SECRET_BYTES = 32

_ALPHABET = string.ascii_lowercase + string.digits
_HEADER = re.compile(r"(?i:bearer) +(ft_([a-z0-9]{8})_[A-Za-z0-9_-]{43})")


class Presented(NamedTuple):
    """What is kept of a token that came: its prefix, and the SHA-256 of all of it."""

    prefix: str
    sha256: bytes


def new_secret() -> tuple[str, str, bytes]:
    """A new token, its public prefix, and its SHA-256: the only part that is stored."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_CHARS))
    token = f"ft_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return token, prefix, hashlib.sha256(token.encode()).digest()


def presented(authorization: str) -> Presented | None:
    """The token of an `Authorization: Bearer ft_…` header; None if it has not the form of one."""
    match = _HEADER.fullmatch(authorization)
    return Presented(match[2], hashlib.sha256(match[1].encode()).digest()) if match else None
