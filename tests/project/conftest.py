"""What Django's own pages need, and what a walk over all of them needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port


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


@pytest.fixture
def no_database(dsn: str, django_db_blocker, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing listens where Django looks for Postgres."""
    from django.db import connection

    with django_db_blocker.unblock():
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", free_port())
        yield
