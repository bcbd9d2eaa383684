"""Train versions for git: `manage.py train [ENDPOINT [ALGORITHM]]`."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.engine import definition as definitions
from inference.engine.errors import ForetellError
from jobs.training import algorithms
from jobs.training.git import train


class Command(BaseCommand):
    """Trains what it is told to, one algorithm after the other, and stops at the first that can't be trained."""

    help = "Train versions for git from the data and code under artifacts/."
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Give `--version` to the model: Django's own says Django's version."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("endpoint", nargs="?", help="an endpoint's slug or folder; all of them if left out")
        parser.add_argument("algorithm", nargs="?", help="an algorithm's folder; all of the endpoint's if left out")
        parser.add_argument("--version", dest="number", help="MAJOR.MINOR.0; the newest there is if left out, or 1.0.0")
        parser.add_argument("--artifacts", type=Path, default=settings.ARTIFACTS_DIR, help="the artifacts folder")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train."""
        try:
            for endpoint in self._endpoints(options["artifacts"], options["endpoint"]):
                for algorithm in self._algorithms(endpoint, options["algorithm"]):
                    train(endpoint, algorithm, version=options["number"], say=self.stdout.write)
        except ForetellError as error:
            raise CommandError(f"{error.code}: {error}") from error

    @staticmethod
    def _endpoints(artifacts: Path, wanted: str | None) -> list[Path]:
        found = definitions.found(artifacts)
        chosen = [path for path in found if wanted in (None, path.name) or definitions.read(path).slug == wanted]
        if not chosen:
            known = ", ".join(path.name for path in found) or "none"
            raise CommandError(f"There is no endpoint {wanted or ''!r} under {artifacts}; there is {known}.")
        return chosen

    @staticmethod
    def _algorithms(endpoint: Path, wanted: str | None) -> list[str]:
        found = [path.name for path in algorithms.found(endpoint)]
        if not found or (wanted is not None and wanted not in found):
            known = ", ".join(found) or "none"
            raise CommandError(
                f"{endpoint.name} has no algorithm {wanted or ''!r} with an algorithm.py; it has {known}."
            )
        return found if wanted is None else [wanted]
