"""What a device asks for when it opens a socket, read and checked before the socket opens."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from inference.callers import Caller
from inference.catalog import LiveEndpoint, LiveVersion
from inference.credentials import Credentials
from inference.engine.errors import ForetellError, ModelUnavailable
from inference.errors import TokenInUrl, UnknownEndpoint
from inference.predictor import Predictor
from inference.sockets.origin import check_origin

JSON = "foretell.v1.json"
MSGPACK = "foretell.v1.msgpack"
SPOKEN = (JSON, MSGPACK)
BEARER_SUBPROTOCOL = "foretell.bearer."
MAX_EPOCH = 64
MAX_PARAMETERS = 32
_TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key"})
_EPOCH_CHARACTERS = frozenset(string.printable) - frozenset(string.whitespace) | {" "}


class BadSubprotocol(ForetellError):
    """None of the offered subprotocols is spoken here."""

    code = "bad_subprotocol"

    def __init__(self, offered: Iterable[str]) -> None:
        self.supported = list(SPOKEN)
        shown = ", ".join(offered)[:200] or "none beside the credential"
        super().__init__(f"Expected the subprotocol {' or '.join(SPOKEN)}, or none; offered: {shown}.")


class BadEpoch(ForetellError):
    """An epoch that can't name a numbering."""

    code = "bad_epoch"

    def __init__(self) -> None:
        super().__init__(f"`epoch` expects 1 to {MAX_EPOCH} printable ASCII characters.")


@dataclass(frozen=True, slots=True)
class Handshake:
    """A socket that may open: who asks, what for, and how they want to be answered.

    `pinned` is the version the client asked for by tag; None follows the champion.
    """

    caller: Caller
    endpoint: LiveEndpoint
    pinned: LiveVersion | None
    subprotocol: str | None
    coalesce: bool
    short_hello: bool


async def check(scope: Mapping[str, Any], predictor: Predictor) -> Handshake:
    """Read and check an opening handshake.

    Args:
        scope: the ASGI scope of a WebSocket, its route's `endpoint` resolved.

    Raises:
        OriginNotAllowed, TokenInUrl, MissingToken, InvalidToken, TokenExpired, DeviceDisabled, InsufficientScope,
        UnknownEndpoint, UnknownVersion, BadSubprotocol, BadEpoch: what came can't be served.
        ModelUnavailable: the server, or the version asked for, can't answer now.
    """
    headers = dict(scope["headers"])
    if b"origin" in headers:
        check_origin(headers, scope.get("scheme", "ws"))
    query = _query(scope["query_string"].decode("latin-1"))
    offered: Sequence[str] = scope["subprotocols"]
    slug = scope["url_route"]["kwargs"]["endpoint"]
    caller = await _caller(headers.get(b"authorization"), offered, predictor.credentials)
    caller.require("predict")
    if not caller.may_use(slug):
        raise UnknownEndpoint(slug)
    if predictor.catalog.stale:
        raise ModelUnavailable("The server", "it does not know what is live")
    endpoint = predictor.catalog.endpoint(slug)
    subprotocol = _subprotocol(offered)
    if "epoch" in query and not (0 < len(query["epoch"]) <= MAX_EPOCH and _EPOCH_CHARACTERS.issuperset(query["epoch"])):
        raise BadEpoch
    pinned = await predictor.catalog.version(endpoint, query["version"]) if "version" in query else None
    if pinned is None and endpoint.champion is None:
        raise ModelUnavailable(endpoint.slug, endpoint.reason or "no version is live")
    return Handshake(caller, endpoint, pinned, subprotocol, query.get("coalesce") == "1", query.get("hello") == "short")


async def _caller(authorization: bytes | None, offered: Sequence[str], credentials: Credentials) -> Caller:
    """Who asks, by the header or, as a browser must, by a subprotocol that is never echoed."""
    if authorization is not None:
        return await credentials.resolve(authorization.decode("latin-1"))
    token = next((one for one in offered if one.startswith(BEARER_SUBPROTOCOL)), None)
    return await credentials.resolve(None if token is None else "Bearer " + token.removeprefix(BEARER_SUBPROTOCOL))


def _subprotocol(offered: Sequence[str]) -> str | None:
    """The first in the client's order that is spoken here; None, which means JSON, when none is offered."""
    if not offered:
        return None
    spoken = next((one for one in offered if one in SPOKEN), None)
    if spoken is None:
        raise BadSubprotocol(one for one in offered if not one.startswith(BEARER_SUBPROTOCOL))
    return spoken


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return {}
    if any(name.lower() in _TOKEN_PARAMETERS or value.startswith("ft_") for name, value in pairs):
        raise TokenInUrl
    return dict(pairs)
