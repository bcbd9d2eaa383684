"""Who is asking, once the credential is known to be good."""

import datetime
import time
from dataclasses import dataclass

from inference.errors import InsufficientScope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a credential speaks for, and what it may do.

    `device` and `device_id` are None for a service's key; `service` is "" for a device's. `endpoints` are slugs,
    None for all. A person at the console has no credential: `credential_id` is None.
    """

    credential_id: int | None
    device_id: int | None
    device: str | None
    service: str
    scopes: frozenset[str]
    endpoints: frozenset[str] | None
    expires_at: datetime.datetime | None

    def require(self, scope: str) -> None:
        """Pass if the credential carries the scope.

        Raises:
            InsufficientScope: it does not.
        """
        if scope not in self.scopes:
            raise InsufficientScope(scope)

    def may_use(self, slug: str) -> bool:
        """Whether the endpoint is one of the credential's."""
        return self.endpoints is None or slug in self.endpoints

    @property
    def expired(self) -> bool:
        """Whether its time is over, by the clock."""
        return self.expires_at is not None and self.expires_at.timestamp() <= time.time()
