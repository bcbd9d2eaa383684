"""What Foretell's commands have in common: a user's mistake is one line, never a traceback."""

import argparse
import datetime
import getpass
import math
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from inference import artifacts
from inference.engine.errors import ForetellError
from inference.engine.store import FolderStore
from inference.models import Endpoint, Scope
from inference.selectors import endpoint_get

OVERLAP_S = 3600
"""How long a rotated credential stays good when nothing else is said."""
YEAR_S = 365 * 24 * 3600
"""The longest overlap of a rotation."""
_SPAN = re.compile(r"(\d{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class RegistryCommand(BaseCommand, ABC):
    """A command whose work is `run`; what Foretell refuses there becomes one line on stderr and exit code 1."""

    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Run it."""
        try:
            return self.run(**options)
        except ForetellError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"Postgres can't be used: {reason}. Is it running? `make up` starts one.") from error

    @abstractmethod
    def run(self, **options: Any) -> str | None:
        """Do the command's work; what it returns is written to stdout."""


def command_actor(name: str) -> str:
    """Who changes something by the command of that name, for the history: `command:device by ada`."""
    try:
        return f"command:{name} by {getpass.getuser()}"
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"command:{name}"


def store() -> FolderStore:
    """The store that serving reads."""
    return artifacts.store()


def add_artifacts(parser: argparse.ArgumentParser) -> None:
    """`--artifacts DIR`, by default the repository's."""
    parser.add_argument(
        "--artifacts", type=Path, default=settings.ARTIFACTS_DIR, metavar="DIR", help="the folder git holds models in"
    )


def add_rights(parser: argparse.ArgumentParser, *, scopes: str) -> None:
    """`--scope`, `--endpoint` and `--expires`: what a credential may do, where, and until when."""
    parser.add_argument(
        "--scope", default=scopes, metavar="A,B", help=f"of {', '.join(Scope.values)}; by default {scopes}"
    )
    parser.add_argument(
        "--endpoint", action="append", default=[], metavar="SLUG", help="may be said again; none said = all endpoints"
    )
    parser.add_argument(
        "--expires", type=moment, metavar="WHEN", help="30d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z; by default never"
    )


def add_overlap(parser: argparse.ArgumentParser) -> None:
    """`--overlap-s S`: how long a rotated credential stays good."""
    parser.add_argument(
        "--overlap-s", type=_overlap_s, default=OVERLAP_S, metavar="S", help=f"seconds; {OVERLAP_S} by default, 0: none"
    )


def rights(*, scope: str, endpoint: list[str], expires: datetime.datetime | None) -> dict[str, Any]:
    """What the options of `add_rights` say, as the services take it.

    Raises:
        UnknownEndpoint: one of the endpoints is not there.
    """
    return {"scopes": listed(scope), "endpoints": endpoints(endpoint), "expires_at": expires}


def listed(text: str) -> list[str]:
    """The words of `a,b`."""
    return [word.strip() for word in text.split(",") if word.strip()]


def endpoints(slugs: list[str]) -> list[Endpoint]:
    """The endpoints of these slugs.

    Raises:
        UnknownEndpoint: one of them is not there.
    """
    return [endpoint_get(slug=slug) for slug in slugs]


def moment(text: str) -> datetime.datetime:
    """A time to come: a span from now (`30d`, `12h`, `5m`), a day, or a time with its zone.

    Raises:
        ArgumentTypeError: it is none of these, or in the past.
    """
    said = _moment(text)
    if said is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time. Say 30d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z.")
    if said <= timezone.now():
        raise argparse.ArgumentTypeError(f"{text!r} is over already.")
    return said


def _overlap_s(text: str) -> float:
    """Seconds, from none to a year."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= YEAR_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no overlap. Say seconds, from 0 to {YEAR_S}.")
    return seconds


def _moment(text: str) -> datetime.datetime | None:
    if span := _SPAN.fullmatch(text):
        return timezone.now() + datetime.timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        day, time = parse_date(text), parse_datetime(text)
    except ValueError:
        return None
    if day is not None:
        return datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC)
    return time if time is not None and time.tzinfo is not None else None
