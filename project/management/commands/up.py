"""`manage.py up`: all of Foretell on this machine, until Ctrl-C. `make up` runs it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from project.everything import CannotRun, Everything
from project.supervisor import Stopped


class Command(BaseCommand):
    """Start Postgres, Valkey, web, worker, beat and simulated devices; keep them running; end them all."""

    help = "Run all of Foretell on this machine until Ctrl-C: the servers it needs, web, worker, beat, demo devices."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        try:
            Everything(settings.ENVIRONMENT, Console()).run()
        except Stopped:
            return
        except CannotRun as error:
            raise CommandError(str(error)) from error
