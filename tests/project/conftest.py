"""What Django's own pages need."""

import pytest


@pytest.fixture(autouse=True)
def static_root() -> None:
    """The folder of collected files, empty: without it the static files middleware warns."""
    from django.conf import settings

    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
