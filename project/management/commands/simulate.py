"""`manage.py simulate`: devices that replay the endpoints' training data over real sockets.

It reads training data, which is the jobs' room, so it stands with the shell and not with the streams.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.engine import definition
from inference.engine.errors import ForetellError
from jobs.training import datasets
from project import simulation
from project.simulation import SimulatedDevice

CREDENTIALS = "FORETELL_CREDENTIALS"


class Command(BaseCommand):
    """Send readings as devices would. One device a credential; the endpoints take turns."""

    help = f"Replay training data as devices would. Credentials come in {CREDENTIALS}, separated by commas."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, what and how fast."""
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server's address")
        parser.add_argument("--artifacts", type=Path, default=settings.ARTIFACTS_DIR, help="where the data is")
        parser.add_argument("--endpoint", action="append", help="an endpoint's slug; may be repeated; all by default")
        parser.add_argument("--per-s", type=float, default=2.0, help="readings a second and device")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until stopped, or until every device was sent away for good."""
        tokens = [token for token in os.environ.get(CREDENTIALS, "").split(",") if token]
        if not tokens:
            raise CommandError(f"Set {CREDENTIALS} to one or more credentials: `manage.py device create` makes one.")
        try:
            found = [definition.read(folder) for folder in definition.found(options["artifacts"])]
            chosen = [one for one in found if one.data and one.slug in (options["endpoint"] or [one.slug])]
            rows = {one.slug: datasets.load(one).rows for one in chosen[: len(tokens)]}
        except ForetellError as error:
            raise CommandError(str(error)) from error
        if not rows:
            raise CommandError(f"No endpoint of that name under {options['artifacts']} has training data.")
        slugs = list(rows)
        devices = [
            SimulatedDevice(options["url"], slug, token, rows[slug], options["per_s"])
            for token, slug in zip(tokens, slugs * len(tokens), strict=False)
        ]
        asyncio.run(simulation.run(devices))
