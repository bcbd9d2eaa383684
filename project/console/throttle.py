"""How often somebody may try to get in: counted in Postgres, so that all processes and restarts count together.

An attempt is counted before it is tried, which also holds a thousand at once to the limit.
"""

import datetime
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from django.db import connection
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from project.models import Attempts

KEPT = datetime.timedelta(days=1)

_COUNT = """
INSERT INTO project_attempts AS attempts (key, count, began_at) VALUES (%(key)s, 1, now())
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN attempts.began_at < now() - %(window)s THEN 1 ELSE attempts.count + 1 END,
    began_at = CASE WHEN attempts.began_at < now() - %(window)s THEN now() ELSE attempts.began_at END
RETURNING count
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may be tried within a window that begins with the first try."""

    name: str
    tries: int
    window: datetime.timedelta

    def spent(self, *of: str) -> bool:
        """Count a try of this; whether it is one too many."""
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, {"key": self._key(of), "window": self.window})
            return cursor.fetchone()[0] > self.tries

    def forget(self, *of: str) -> None:
        """Begin anew for this, after a success. What is long over is thrown away by the way."""
        Attempts.objects.filter(key=self._key(of)).delete()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM project_attempts WHERE began_at < now() - %s", [KEPT])

    def _key(self, of: tuple[str, ...]) -> str:
        return salted_hmac(f"foretell.throttle.{self.name}", "\0".join(of), algorithm="sha256").hexdigest()


_QUARTER, _HOUR = datetime.timedelta(minutes=15), datetime.timedelta(hours=1)

LOGIN_OF_ONE = Limit("one", 5, _QUARTER)
"""One name from one address."""
LOGIN_FROM = Limit("from", 50, _QUARTER)
"""Any names from one address, which may be an office's."""
LOGIN_AS = Limit("as", 100, _QUARTER)
"""One name from any addresses: high, because whoever reaches it locks its owner out."""
RESET_TO = Limit("to", 3, _HOUR)
"""Mails to one address."""
RESET_FROM = Limit("reset", 20, _HOUR)
"""Mails asked for from one address of the network."""


def place(request: HttpRequest) -> str:
    """Where a request comes from: an address, of IPv6 the network of 64 bits, which one household has."""
    said = request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(said)
    except ValueError:
        return said
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False))
    return str(address)
