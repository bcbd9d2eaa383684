"""How a stream ends: close codes, and which error closes with which. The doors' side of the error tree."""

from dataclasses import dataclass

from inference.engine.errors import ForetellError
from inference.errors import DeviceDisabled, InsufficientScope, TokenExpired, TokenRevoked, UnknownEndpoint

NORMAL = 1000
UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013
CREDENTIAL_LOST = 4401
DEVICE_NOT_ALLOWED = 4403
ENDPOINT_GONE = 4404

_CLOSES: dict[type[ForetellError], int] = {
    TokenExpired: CREDENTIAL_LOST,
    TokenRevoked: CREDENTIAL_LOST,
    DeviceDisabled: DEVICE_NOT_ALLOWED,
    InsufficientScope: DEVICE_NOT_ALLOWED,
    UnknownEndpoint: ENDPOINT_GONE,
}


@dataclass(frozen=True, slots=True)
class Close:
    """The close frame that ends a socket: a code of PROTOCOL section 3, and `code;after_ms=<n>` as its reason."""

    code: int
    reason: str


def close_of(error: ForetellError) -> Close:
    """How a socket closes after an error that ends it."""
    return Close(_CLOSES.get(type(error), INTERNAL_ERROR), error.code)
