"""`manage.py serve`: the web server alone."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from project.server import AddressError, serve


class Command(BaseCommand):
    """Serve HTTP and WebSockets on HOST and PORT, by WEB_CONCURRENCY processes, until SIGTERM."""

    help = "Serve HTTP and WebSockets on HOST and PORT, by WEB_CONCURRENCY processes, until SIGTERM."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        environment = settings.ENVIRONMENT
        try:
            with suppress(KeyboardInterrupt):
                served = serve(
                    environment.host,
                    environment.port,
                    environment.web_concurrency,
                    trusted_proxies=environment.trusted_proxies,
                )
                if not served:
                    raise CommandError("The server did not start; its log says why.")
        except AddressError as error:
            raise CommandError(str(error)) from error
