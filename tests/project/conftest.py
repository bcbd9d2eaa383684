"""What Django's own pages need, and what a walk over all of them needs."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def static_root() -> None:
    """The folder of collected files, empty: without it the static files middleware warns."""
    from django.conf import settings

    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def rows(tmp_path: Path, db: None) -> dict[str, Any]:
    """One row of everything: see `walk.everything`."""
    from tests.project import walk

    return walk.everything(tmp_path)
