"""Folders that training processes work in: made for one step, removed with it, or later when its worker was killed."""

import contextlib
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from jobs.leases import Lease
from jobs.models import TrainingRun

ORPHAN_S = 3600
"""A folder that nobody holds is removed once it is so old."""
_NAME = re.compile(r"(?P<run>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<token>[0-9]{1,18})-")


def prefix() -> str:
    """What the names of this Foretell's folders begin with. Another one on the machine knows nothing of our runs."""
    return f"foretell-training-{hashlib.sha256(str(settings.FORETELL_HOME).encode()).hexdigest()[:8]}-"


@contextlib.contextmanager
def workplace(lease: Lease) -> Iterator[Path]:
    """An empty folder for a step of the run that the lease holds; it is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix=f"{prefix()}{lease.id}-{lease.token}-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def tidy() -> list[Path]:
    """Remove this machine's folders that are over an hour old and whose run is held by somebody else, or by nobody."""
    removed = []
    for place in Path(tempfile.gettempdir()).glob(f"{prefix()}*"):
        said = _NAME.match(place.name.removeprefix(prefix()))
        with contextlib.suppress(FileNotFoundError):
            if said is None or time.time() - place.lstat().st_mtime < ORPHAN_S:
                continue
            held = TrainingRun.objects.filter(pk=UUID(said["run"]), token=int(said["token"]), leased_until__gt=Now())
            if not held.exists():
                shutil.rmtree(place, ignore_errors=True)
                removed.append(place)
    return removed
