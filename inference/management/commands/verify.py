"""`manage.py verify`: is a stored prediction what its version says, and are the stored versions what they were?"""

import argparse
from typing import Any

import msgspec
from django.core.management.base import CommandError

from inference.management.command import RegistryCommand, store
from inference.models import Prediction, Version
from inference.selectors import prediction_get
from inference.services import prediction_recompute, version_verify


class Command(RegistryCommand):
    """Recomputes one prediction, or checks every version."""

    help = (
        "With a prediction's id: compute it again on the version that gave it, and say `bit-equal`, `equal within "
        "tolerance` or `different`. Without one: check every version in the store. Exit code 1 if something is wrong."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What it takes."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("prediction", nargs="?", metavar="PREDICTION_ID")
        which.add_argument("--all", action="store_true", help="every version; the same as no id")

    def run(self, *, prediction: str | None = None, **_: Any) -> None:
        """Check one prediction or every version."""
        if prediction is not None:
            self._prediction(prediction_get(id=prediction))
        else:
            self._versions()

    def _prediction(self, stored: Prediction) -> None:
        version = stored.version
        if stored.output is None:
            raise CommandError(
                f"It has no output: {version} failed with `{stored.error}`. There is nothing to compare."
            )
        again = prediction_recompute(prediction=stored, in_store=store())
        said = f"{again.verdict}: {version} says {again.text}"
        if again.verdict == "different":
            raise CommandError(f"{said}, and {msgspec.json.encode(stored.output).decode()} is stored.")
        self.stdout.write(said)

    def _versions(self) -> None:
        bad = 0
        versions = Version.objects.select_related("endpoint")
        for version in versions:
            problem = version_verify(version=version, in_store=store())
            bad += problem is not None
            self.stdout.write(f"{version}  {f'{problem.code}: {problem}' if problem else 'good'}")
        if bad:
            raise CommandError(
                f"{bad} of {len(versions)} versions can't be used. `manage.py deploy` restores those of git."
            )
