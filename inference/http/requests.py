"""One request of the express lane: what came, checked as it is asked for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from inference.engine.errors import ModelUnavailable
from inference.errors import TokenInUrl
from inference.http import hosts, media
from inference.http.errors import (
    BadHost,
    BadQuery,
    BodyTooLarge,
    HeadersTooLarge,
    IncompleteBody,
    IncompleteUpload,
    NotAcceptable,
    UnknownParameter,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from inference.ids import prediction_id

MAX_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 15.0
"""How long a body that comes in pieces may take."""
MAX_HEADERS = 100
MAX_HEADER_BYTES = 8192
MAX_PARAMETERS = 32
_TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key"})


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete. Nobody is left to answer."""


class Request:
    """What a view knows of a request.

    Attributes:
        id: UUID text, new for each request; in every answer and log line.
        auth: the `Caller`, once the view has found out who asks; None where nobody has to say.
        headers: by lower-case name; one that came twice is joined by a comma, as HTTP says.
        complete: whether all of the body was received.
    """

    __slots__ = ("_query", "_receive", "auth", "complete", "headers", "id", "method", "scope")

    def __init__(self, scope: dict[str, Any], receive: Any) -> None:
        self.scope = scope
        self._receive = receive
        self.id = prediction_id()
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.auth: Any = None
        self.complete = False
        self._query: dict[str, str] | None = None
        if len(self.headers) != len(scope["headers"]):
            self.headers = _joined(scope["headers"])

    @property
    def user(self) -> None:
        """Nobody: who asks is a credential, never a session."""
        return None

    @property
    def predictor(self) -> Any:
        """The process's predictor.

        Raises:
            ModelUnavailable: the process has not started it yet.
        """
        try:
            return self.scope["foretell.predictor"]
        except KeyError:
            raise ModelUnavailable("The server", "it is still starting") from None

    @property
    def authorization(self) -> str | None:
        """The `Authorization` header."""
        value = self.headers.get(b"authorization")
        return None if value is None else value.decode("latin-1")

    def check_headers(self) -> None:
        """Refuse headers beyond the limits.

        Raises:
            HeadersTooLarge: too many, or one too long.
        """
        headers = self.headers
        if len(self.scope["headers"]) > MAX_HEADERS or (
            headers and max(max(map(len, headers)), max(map(len, headers.values()))) > MAX_HEADER_BYTES
        ):
            raise HeadersTooLarge(MAX_HEADERS, MAX_HEADER_BYTES)

    def check_host(self) -> None:
        """Refuse a host that is not ours.

        Raises:
            BadHost: none, several or a foreign one came.
        """
        if not hosts.is_allowed(self.headers.get(b"host", b"")):
            raise BadHost

    @property
    def media_type(self) -> str:
        """The media type of its body, in lower case; "" for none, or one in another charset than UTF-8."""
        return media.type_of(self.headers.get(b"content-type", b""))

    @property
    def has_body(self) -> bool:
        """Whether its headers announce a body of at least a byte, or of unknown length."""
        return b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0").strip(b"0") != b""

    @property
    def has_much_to_come(self) -> bool:
        """Whether its body was not received to its end, and may be more than anyone wants to take in and forget."""
        if self.complete:
            return False
        return b"transfer-encoding" in self.headers or self.announced_bytes > MAX_BODY_BYTES

    @property
    def announced_bytes(self) -> int:
        """The length that its headers announce; 0 for none."""
        length = self.headers.get(b"content-length", b"")
        return int(length[:20]) if length.isdigit() else 0

    def check_accept(self, offered: Sequence[str] = (media.ACCEPTED,)) -> None:
        """Refuse a client that can read none of the types that are offered.

        Raises:
            NotAcceptable: its `Accept` header rules them out.
        """
        accept = self.headers.get(b"accept")
        if accept is not None and not any(media.accepts(accept, media_type) for media_type in offered):
            raise NotAcceptable(offered)

    def check_content(self, accepted: Sequence[str] = (media.ACCEPTED,)) -> None:
        """Refuse a body that is of no accepted type, or compressed, by what its headers say.

        Raises:
            UnsupportedMediaType: the `Content-Type` is another one, or missing.
            UnsupportedEncoding: the body is compressed.
        """
        encoding = self.headers.get(b"content-encoding", b"identity")
        if encoding.lower() != b"identity":
            raise UnsupportedEncoding(encoding.decode("latin-1"))
        if self.media_type not in accepted:
            came = self.headers.get(b"content-type", b"").decode("latin-1")
            raise UnsupportedMediaType(came, ", ".join(accepted))

    def query(self, *known: str) -> dict[str, str]:
        """The query parameters.

        Args:
            known: the names the address understands, each at most once.

        Raises:
            TokenInUrl: a credential stands in the query.
            UnknownParameter: a name is not known, or came twice.
            BadQuery: it is not UTF-8, or holds NUL, which Postgres can't compare with anything.
        """
        if self._query is None:
            self._query = self._read_query(known)
        return self._query

    def _read_query(self, known: tuple[str, ...]) -> dict[str, str]:
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
        except UnicodeDecodeError:
            raise BadQuery from None
        except ValueError:
            raise UnknownParameter(f"over {MAX_PARAMETERS} parameters", known) from None
        if any(name.lower() in _TOKEN_PARAMETERS or value.startswith("ft_") for name, value in pairs):
            raise TokenInUrl
        query: dict[str, str] = {}
        for name, value in pairs:
            if name not in known or name in query:
                raise UnknownParameter(name, known)
            query[name] = value
        if any("\0" in value for value in query.values()):
            raise BadQuery
        return query

    async def body(self) -> bytes:
        """The whole body, counted while it comes: what Content-Length says is only believed when it is too large.

        Raises:
            BodyTooLarge: it is over `MAX_BODY_BYTES`.
            IncompleteBody: its end did not come in time.
            ClientGoneError: the client left.
        """
        if self.announced_bytes > MAX_BODY_BYTES:
            raise BodyTooLarge(MAX_BODY_BYTES)
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(bytearray(body))
        else:
            self.complete = True
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(MAX_BODY_BYTES)
        return body

    async def pieces(self, *, idle_s: float) -> AsyncIterator[bytes]:
        """The body in the pieces it comes in, for one that is too large to be held.

        Raises:
            IncompleteUpload: no piece came for `idle_s` seconds.
            ClientGoneError: the client left.
        """
        while not self.complete:
            try:
                async with asyncio.timeout(idle_s):
                    message = await self._receive()
            except TimeoutError:
                raise IncompleteUpload(idle_s) from None
            if message["type"] != "http.request":
                raise ClientGoneError
            self.complete = not message.get("more_body", False)
            yield message.get("body", b"")

    async def left(self) -> None:
        """Return once the client has closed its connection. Only after the body was received."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _rest(self, body: bytearray) -> bytes:
        """What follows the first piece, up to just beyond the limit."""
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while len(body) <= MAX_BODY_BYTES:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        raise ClientGoneError
                    body += message.get("body", b"")
                    if not message.get("more_body"):
                        self.complete = True
                        break
        except TimeoutError:
            raise IncompleteBody(BODY_TIMEOUT_S) from None
        return bytes(body)


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers
