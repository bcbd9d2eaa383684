"""`manage.py deploy`: bring artifacts/ into the registry, or make another version live."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from inference import partitions
from inference.management.command import RegistryCommand, add_artifacts, command_actor, store
from inference.selectors import endpoint_get, version_get
from inference.services import Released, release_deploy, version_deploy, version_verify


class Command(RegistryCommand):
    """Without options it reads artifacts/; with --endpoint and --version it makes that version live."""

    help = (
        "Bring the endpoints and versions of artifacts/ into the registry. Doing it again changes nothing, and no "
        "live version is ever replaced by it. With --endpoint, --version and --reason: make that version live; rolling "
        "back is the same with the earlier version."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Its parser. Every command has a `--version` that tells Django's; here it names a model's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        add_artifacts(parser)
        parser.add_argument("--endpoint", metavar="SLUG")
        parser.add_argument("--version", dest="tag", metavar="TAG", help="e.g. random_forest-1.0.0")
        parser.add_argument("--reason", metavar="WHY", help="kept in the history")
        parser.add_argument("--major", action="store_true", help="also when its inputs or outputs are other ones")

    def run(
        self,
        *,
        artifacts: Path,
        endpoint: str | None,
        tag: str | None,
        reason: str | None,
        major: bool,
        **_: Any,
    ) -> None:
        """Release the folder, or switch one endpoint."""
        said = [value is not None for value in (endpoint, tag, reason)]
        if any(said) and not all(said):
            raise CommandError("To make a version live, say --endpoint, --version and --reason.")
        if endpoint and tag and reason:
            self._switch(endpoint, tag, reason, major=major)
        else:
            self._release(artifacts)

    def _release(self, artifacts: Path) -> None:
        partitions.ensure()
        for released in release_deploy(artifacts=artifacts, into=store(), actor=command_actor("deploy")):
            self.stdout.write(_line(released))

    def _switch(self, slug: str, tag: str, reason: str, *, major: bool) -> None:
        endpoint = endpoint_get(slug=slug)
        version = version_get(endpoint=endpoint, tag=tag)
        # A version that can't be loaded would leave the last one answering, and every process not ready.
        if problem := version_verify(version=version, in_store=store()):
            raise problem
        deployment = version_deploy(
            endpoint=endpoint, version=version, actor=command_actor("deploy"), reason=reason, major=major
        )
        self.stdout.write(f"{slug}: {tag} answers since {deployment.started_at:%Y-%m-%d %H:%M:%S} UTC")


def _line(released: Released) -> str:
    new = ", ".join(released.published) or "nothing new"
    answers = f"{released.champion} answers" if released.champion else "no version answers"
    waiting = (
        f"; other inputs or outputs, live by --major only: {', '.join(released.waiting)}" if released.waiting else ""
    )
    return f"{released.slug}: {new}; {answers}{' from now on' if released.crowned else ''}{waiting}"
