"""Which hosts this server answers to."""

from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host


def is_allowed(host: bytes) -> bool:
    """Whether a `Host` header names one of `ALLOWED_HOSTS`."""
    return _is_allowed(host, tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=256)
def _is_allowed(host: bytes, allowed_hosts: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, allowed_hosts)
