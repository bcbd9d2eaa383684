"""Whose page a browser's socket comes from. A browser sends its cookies for any page, so this must be asked."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

from inference.engine.errors import ForetellError

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class OriginNotAllowed(ForetellError):
    """A browser on another site's page."""

    code = "origin_not_allowed"

    def __init__(self, origin: str) -> None:
        super().__init__(f"Pages of {origin[:200]!r} may not connect. The server's operator sets CSRF_TRUSTED_ORIGINS.")


def check_origin(headers: Mapping[bytes, bytes], scheme: str) -> None:
    """Pass a page of this server or of a trusted origin: scheme, host and port must be equal.

    Raises:
        OriginNotAllowed: it is another site's page, or does not say whose.
    """
    origin, host = (headers.get(name, b"").decode("latin-1") for name in (b"origin", b"host"))
    page_scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    allowed = {_parts(one) for one in (f"{page_scheme}://{host}", *settings.CSRF_TRUSTED_ORIGINS)}
    parts = _parts(origin)
    if parts is None or parts not in allowed:
        raise OriginNotAllowed(origin)


def _parts(origin: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an origin; None if it is not one."""
    try:
        split = urlsplit(origin)
        if not split.scheme or not split.hostname:
            return None
        return split.scheme, split.hostname, split.port or _PORTS.get(split.scheme)
    except ValueError:
        return None
