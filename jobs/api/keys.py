"""`Idempotency-Key`: a name that a client gives to what it asks for, so that asking again does not do it again."""

import hashlib

from inference.http.errors import BadIdempotencyKey
from inference.http.requests import Request

MOST_CHARACTERS = 128


def slot_of(request: Request) -> str:
    """The slot of what a request with a key starts, of which there is only one; "" without a key.

    Raises:
        BadIdempotencyKey: its key can't be one.
    """
    key = request.headers.get(b"idempotency-key")
    if key is None:
        return ""
    if not 0 < len(key) <= MOST_CHARACTERS or not all(0x21 <= one <= 0x7E for one in key):
        raise BadIdempotencyKey
    return f"key:{request.auth.credential_id}:{hashlib.sha256(key).hexdigest()[:40]}"
