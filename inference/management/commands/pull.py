"""`manage.py pull`: a version of the store, back under artifacts/ for a commit."""

import argparse
from pathlib import Path

from inference.management.command import RegistryCommand, add_artifacts, store
from inference.selectors import endpoint_get, version_get
from inference.services import version_pull


class Command(RegistryCommand):
    """Pulls one version."""

    help = "Write a version of the store back under artifacts/, byte for byte, to commit it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        parser.add_argument("endpoint", metavar="ENDPOINT")
        parser.add_argument("tag", metavar="TAG", help="e.g. random_forest-1.0.1")
        add_artifacts(parser)

    def run(self, *, endpoint: str, tag: str, artifacts: Path, **_: object) -> str:
        """Pull it, and say where it is."""
        version = version_get(endpoint=endpoint_get(slug=endpoint), tag=tag)
        return str(version_pull(version=version, from_store=store(), artifacts=artifacts))
