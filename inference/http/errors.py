"""What only HTTP can get wrong.

ForetellError
├── BadHost, HeadersTooLarge, UnknownParameter
├── MethodNotAllowed, NotAcceptable
├── UnsupportedMediaType, UnsupportedEncoding, BodyTooLarge, IncompleteBody
├── IncompleteUpload, UploadTooLarge, UploadStorageFull
└── BadPage, BadIdempotencyKey
"""

from collections.abc import Sequence

from inference.engine.errors import ForetellError


class BadHost(ForetellError):
    """A `Host` header that is not one of the server's names, or more than one."""

    code = "bad_host"

    def __init__(self) -> None:
        super().__init__("The Host header names none of this server's hosts. Its operator sets them in ALLOWED_HOSTS.")


class HeadersTooLarge(ForetellError):
    """More headers, or longer ones, than a request may have."""

    code = "headers_too_large"

    def __init__(self, count: int, size: int) -> None:
        super().__init__(f"Expected at most {count} headers of {size} bytes together; more came. Send fewer.")


class UnknownParameter(ForetellError):
    """A query parameter that the address does not know, or one that came twice."""

    code = "unknown_filter"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        expected = f"Expected at most one of each: {', '.join(known)}" if known else "Expected no query"
        super().__init__(f"{expected}; got {name[:64]!r}. Leave it out.")


class BadQuery(ForetellError):
    """A query that is no text, or one that nothing stored can match."""

    code = "invalid_encoding"

    def __init__(self) -> None:
        super().__init__("Expected the query to be UTF-8 without NUL, percent-encoded. Encode it anew.")


class MethodNotAllowed(ForetellError):
    """A method the address does not have."""

    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"Expected {' or '.join(allowed)} at this address; got {method[:16]}.")


class NotAcceptable(ForetellError):
    """An `Accept` header that rules out all that the address answers with."""

    code = "not_acceptable"

    def __init__(self, offered: Sequence[str] = ("application/json",)) -> None:
        super().__init__(f"Answers are {' or '.join(offered)}. Accept that, `*/*`, or send no Accept header.")


class UnsupportedMediaType(ForetellError):
    """A body of a type that the address does not take, or of no type."""

    code = "unsupported_media_type"

    def __init__(self, media_type: str, accepted: str) -> None:
        self.accepted = accepted
        came = repr(media_type[:64]) if media_type else "no Content-Type"
        super().__init__(f"Expected a body of Content-Type {accepted}; got {came}.")


class UnsupportedEncoding(ForetellError):
    """A compressed body."""

    code = "unsupported_encoding"

    def __init__(self, encoding: str) -> None:
        self.accepted = "identity"
        super().__init__(f"Expected an uncompressed body; got Content-Encoding {encoding[:64]!r}. Send it as it is.")


class BodyTooLarge(ForetellError):
    """A body over the limit, whatever its Content-Length said."""

    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"Expected a body of at most {limit} bytes; more came. Send fewer instances at a time.")


class IncompleteBody(ForetellError):
    """A body whose end did not arrive in time."""

    code = "incomplete_upload"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"The body did not arrive within {timeout_s:g} s. Send it again.")


class IncompleteUpload(ForetellError):
    """A file that stopped coming before its end, or came too slowly."""

    code = "incomplete_upload"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"The file did not arrive completely: waited {timeout_s:g} s. Nothing is kept; send it again.")


class UploadTooLarge(ForetellError):
    """A file over the limit, whatever its Content-Length said."""

    code = "file_too_large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"Expected a file of at most {limit} bytes; more came. Split it into several.")


class UploadStorageFull(ForetellError):
    """No room for a file on the way in. Other than a full database, it ends no prediction."""

    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("The server has no room for this file. Nothing is kept; ask its operator to make room.")


class BadPage(ForetellError):
    """A place or a size of a page that can't be one."""

    code = "bad_pagination"

    def __init__(self, name: str, expected: str, came: str) -> None:
        super().__init__(f"Expected `{name}` to be {expected}; got {came[:64]!r}.")


class BadIdempotencyKey(ForetellError):
    """An `Idempotency-Key` that can't name a request."""

    code = "bad_idempotency_key"

    def __init__(self) -> None:
        super().__init__("Expected an Idempotency-Key of 1 to 128 printable ASCII characters. Use a UUID.")
